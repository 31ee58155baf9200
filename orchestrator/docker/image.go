package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"drydock/orchestrator"
)

// HasImage reports whether Docker has an image locally.
func (e *Engine) HasImage(ctx context.Context, ref string) (bool, error) {
	_, err := e.client.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	return true, nil
}

// ensureImage pulls an image that is not there.
func (e *Engine) ensureImage(ctx context.Context, container, ref string) error {
	ok, err := e.HasImage(ctx, ref)
	if ok || transient(ctx, err) {
		return err
	}
	if err == nil {
		err = e.pull(ctx, ref)
	}
	if err == nil || transient(ctx, err) {
		return err
	}
	return &orchestrator.StartError{
		Container: container,
		Name:      "CannotPullContainerError",
		Err:       fmt.Errorf("ref pull has been retried 1 time(s): failed to pull %s: %w", ref, err), // ECS-210
	}
}

func (e *Engine) pull(ctx context.Context, ref string) error {
	body, err := e.client.ImagePull(ctx, ref, image.PullOptions{})
	if err != nil {
		return err
	}
	defer body.Close()
	return readProgress(body, io.Discard)
}

// transient reports whether an error says nothing about the task: the caller gave up or Docker is away.
func transient(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || client.IsErrConnectionFailed(err))
}

// readProgress reads the messages of a pull, import or build, writes their text and returns the
// error that is among them.
func readProgress(r io.Reader, out io.Writer) error {
	messages := json.NewDecoder(r)
	for {
		var m struct {
			Stream string `json:"stream"`
			Error  string `json:"error"`
		}
		switch err := messages.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read docker's progress: %w", err)
		case m.Error != "":
			return errors.New(m.Error)
		}
		if _, err := io.WriteString(out, m.Stream); err != nil {
			return err
		}
	}
}
