package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/build"
)

// BuildOptions say what to build.
type BuildOptions struct {
	Dir        string            // the context
	Dockerfile string            // in the context; empty is Dockerfile
	Tag        string            // of the image
	Target     string            // stage; empty is the last
	Args       map[string]string // build arguments
	Output     io.Writer         // progress; may be nil
}

// Build builds an image from a Dockerfile with Docker's classic builder, which every engine has.
func (e *Engine) Build(ctx context.Context, o BuildOptions) error {
	if o.Dockerfile == "" {
		o.Dockerfile = "Dockerfile"
	}
	if _, err := os.Stat(filepath.Join(o.Dir, o.Dockerfile)); err != nil {
		return fmt.Errorf("build %s: %w", o.Tag, err)
	}
	err := e.build(ctx, o)
	for n := 1; n < buildAttempts && lostSibling(err); n++ {
		err = e.build(ctx, o)
	}
	if err != nil {
		return fmt.Errorf("build %s from %s: %w", o.Tag, o.Dir, err)
	}
	return nil
}

// buildAttempts is how often a build is begun when it fails for nothing of its own.
const buildAttempts = 4

// lostSibling reports whether a build failed for an image that it has nothing to do with: what follows
// FROM scratch is looked up in all images without a parent, and one of them was removed meanwhile.
func lostSibling(err error) bool {
	return err != nil && strings.Contains(err.Error(), `unable to find image "sha256:`)
}

func (e *Engine) build(ctx context.Context, o BuildOptions) error {
	skip, err := readIgnore(o.Dir)
	if err != nil {
		return err
	}
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.CloseWithError(writeContext(w, o, skip))
	}()
	defer func() { <-written }()
	defer r.Close()
	args := map[string]*string{}
	for name, value := range o.Args {
		args[name] = &value
	}
	resp, err := e.client.ImageBuild(ctx, r, build.ImageBuildOptions{
		Tags: []string{o.Tag}, Dockerfile: filepath.ToSlash(o.Dockerfile), Target: o.Target, BuildArgs: args,
		Remove: true, ForceRemove: true, Version: build.BuilderV1,
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readProgress(resp.Body, orDiscard(o.Output))
}

// writeContext writes the directory as a tar, without what is ignored.
func writeContext(w io.Writer, o BuildOptions, skip ignore) error {
	t := tar.NewWriter(w)
	err := filepath.WalkDir(o.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(o.Dir, name)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		if skip.match(rel) && rel != path.Clean(o.Dockerfile) {
			if d.IsDir() && !skip.exceptions {
				return filepath.SkipDir
			}
			return nil
		}
		return writeEntry(t, name, rel, d)
	})
	return errors.Join(err, t.Close())
}

func writeEntry(t *tar.Writer, name, rel string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	var link string
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		if link, err = os.Readlink(name); err != nil {
			return err
		}
	case !info.Mode().IsRegular() && !info.IsDir():
		return nil // a socket or the like
	}
	head, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	head.Name, head.Uid, head.Gid, head.Uname, head.Gname = rel, 0, 0, "", ""
	if err := t.WriteHeader(head); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(t, f)
	return err
}

// ignore is a .dockerignore: the last pattern that matches a path or a directory above it decides.
// Patterns are path.Match's, with a leading **/ for any directory; ** elsewhere is not supported.
type ignore struct {
	patterns   []string
	exceptions bool // a pattern starts with !
}

func readIgnore(dir string) (ignore, error) {
	text, err := os.ReadFile(filepath.Join(dir, ".dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return ignore{}, nil
	}
	return parseIgnore(string(text)), err
}

func parseIgnore(text string) ignore {
	var i ignore
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, exception := strings.CutPrefix(line, "!")
		pattern = strings.TrimPrefix(path.Clean(pattern), "/")
		if exception {
			i.exceptions = true
			pattern = "!" + pattern
		}
		i.patterns = append(i.patterns, pattern)
	}
	return i
}

func (i ignore) match(name string) bool {
	ignored := false
	for _, p := range i.patterns {
		pattern, exception := strings.CutPrefix(p, "!")
		if matchBelow(pattern, name) {
			ignored = !exception
		}
	}
	return ignored
}

// matchBelow reports whether a pattern matches name or a directory above it.
func matchBelow(pattern, name string) bool {
	anywhere, any := strings.CutPrefix(pattern, "**/")
	for ; name != "."; name = path.Dir(name) {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
		if ok, _ := path.Match(anywhere, path.Base(name)); any && ok {
			return true
		}
	}
	return false
}
