package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// StreamSummary is a stream with what DescribeLogStreams says of its events.
type StreamSummary struct {
	Stream
	ARN         string
	First, Last time.Time // zero: there are no events
}

// span is what is remembered of a stream's events, so that only what was written since is read.
type span struct {
	created     time.Time // of the stream: another one may have had its name
	first, last time.Time
	file        fs.FileInfo // as it was read to its end; nil: it was no file
}

// same reports whether nothing was written to the file since.
func (s span) same(now fs.FileInfo) bool {
	return s.file != nil && now != nil && s.file.Size() == now.Size() && s.file.ModTime().Equal(now.ModTime())
}

// summary looks at a stream's events, of which it reads those that it has not seen yet.
func (s *Service) summary(ctx context.Context, stream *Stream) (StreamSummary, error) {
	have := s.remembered(stream)
	look := s.lookAtLog
	if stream.Source == nil {
		look = s.lookAtFile
	}
	now, err := look(ctx, stream, have)
	if err != nil {
		return StreamSummary{}, err
	}
	s.remember(stream, now)
	return StreamSummary{Stream: *stream, ARN: s.arn(stream.Group) + ":log-stream:" + stream.Name, First: now.first, Last: now.last}, nil
}

// lookAtLog looks at what a container writes, or at the file that is kept of one that is gone.
func (s *Service) lookAtLog(ctx context.Context, stream *Stream, have span) (span, error) {
	log, err := s.open(ctx, stream, have.last)
	if log == nil || err != nil {
		return have, err
	}
	defer log.Close()
	if f, ok := log.(fs.File); ok {
		info, err := f.Stat()
		if err == nil && have.same(info) {
			return have, nil
		}
		have.file = info
	}
	err = readLog(log, stream, have.see)
	return have, err
}

// lookAtFile looks at what clients have written: the events' order is not the file's.
func (s *Service) lookAtFile(_ context.Context, stream *Stream, have span) (span, error) {
	info, _ := os.Stat(s.path(stream))
	if have.same(info) {
		return have, nil
	}
	have = span{created: have.created, file: info}
	err := s.readFile(stream, have.see)
	return have, err
}

func (s *span) see(e Event) bool {
	if s.first.IsZero() {
		s.first = e.Time
	}
	s.last = e.Time
	return true
}

func (s *Service) remembered(stream *Stream) span {
	s.spansMu.Lock()
	defer s.spansMu.Unlock()
	if have := s.spans[streamKey(stream)]; have.created.Equal(stream.CreatedAt) {
		return have
	}
	return span{created: stream.CreatedAt}
}

func (s *Service) remember(stream *Stream, have span) {
	s.spansMu.Lock()
	defer s.spansMu.Unlock()
	s.spans[streamKey(stream)] = have
}

func (s *Service) forgetSpan(stream *Stream) {
	s.spansMu.Lock()
	defer s.spansMu.Unlock()
	delete(s.spans, streamKey(stream))
}

// trim rewrites the file of a stream that clients write without the events of before a time.
func (s *Service) trim(stream *Stream, before time.Time) error {
	s.write.Lock()
	defer s.write.Unlock()
	var kept []Event
	dropped := false
	err := s.readFile(stream, func(e Event) bool {
		if e.Time.Before(before) {
			dropped = true
		} else {
			kept = append(kept, e)
		}
		return true
	})
	if err != nil || !dropped {
		return err
	}
	lines, err := fileLines(kept)
	if err != nil {
		return err
	}
	path := s.path(stream)
	if err := replaceFile(path, lines); err != nil {
		return fmt.Errorf("trim log stream %s: %w", stream.Name, err)
	}
	return nil
}

// replaceFile writes a file anew, all or nothing.
func replaceFile(path, text string) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
