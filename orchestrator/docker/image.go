package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"drydock/orchestrator"
)

// HasImage reports whether Docker has an image locally.
func (e *Engine) HasImage(ctx context.Context, ref string) (bool, error) {
	_, ok, err := e.localImage(ctx, ref)
	return ok, err
}

// localImage looks for an image that Docker has locally.
func (e *Engine) localImage(ctx context.Context, ref string) (found image.InspectResponse, ok bool, err error) {
	found, err = e.client.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return found, false, nil
	}
	if err != nil {
		return found, false, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	return found, true, nil
}

// repoDigest is the digest that an image has in the registry it came from, by the name that the
// definition has for it; empty for one that was built here (ECS-445).
func repoDigest(name string, digests []string) string {
	repository, _, _ := strings.Cut(name, "@")
	if tag := strings.LastIndexByte(repository, ':'); tag > strings.LastIndexByte(repository, '/') {
		repository = repository[:tag]
	}
	repository = strings.TrimPrefix(strings.TrimPrefix(repository, "docker.io/"), "library/")
	for _, d := range digests {
		if from, digest, ok := strings.Cut(d, "@"); ok && from == repository {
			return digest
		}
	}
	return ""
}

// imageName is a container's image as the definition names it.
func imageName(c *container.Config) string {
	if name := c.Labels[labelImage]; name != "" {
		return name
	}
	return c.Image
}

// ensureImage pulls an image that is not there, and returns its digest in the registry, if it has
// one. wanted is the id that a deployment has pinned the image to, or its name again.
func (e *Engine) ensureImage(ctx context.Context, container, name, wanted, platform string) (digest string, err error) {
	found, ok, err := e.localImage(ctx, wanted)
	if ok || transient(ctx, err) {
		return repoDigest(name, found.RepoDigests), err
	}
	retries := 0
	if err == nil {
		retries, err = e.pull(ctx, name, runnable(platform))
	}
	if err == nil {
		found, err = e.pulled(ctx, name, wanted)
	}
	if err == nil || transient(ctx, err) {
		return repoDigest(name, found.RepoDigests), err
	}
	return "", pullError(container, name, retries, err)
}

// pulled returns the image that is wanted, unless pulling its name has brought another one.
func (e *Engine) pulled(ctx context.Context, name, wanted string) (image.InspectResponse, error) {
	found, ok, err := e.localImage(ctx, wanted)
	if ok || err != nil {
		return found, err
	}
	return found, fmt.Errorf("%s is another image now than %s, which the deployment has pinned: deploy again", name, wanted)
}

// pull pulls an image, again after a failure that may pass, and says how often again.
func (e *Engine) pull(ctx context.Context, ref, platform string) (retries int, err error) {
	for ; ; retries++ {
		err = within(ctx, pullTimeout, "pulled", func(ctx context.Context) error { return e.pullOnce(ctx, ref, platform) })
		if err == nil || retries == pullRetries || !mayPass(err) || transient(ctx, err) {
			return retries, err
		}
		if err := pause(ctx, pullRetryDelay); err != nil {
			return retries, err
		}
	}
}

func (e *Engine) pullOnce(ctx context.Context, ref, platform string) error {
	body, err := e.client.ImagePull(ctx, ref, image.PullOptions{Platform: platform})
	if err != nil {
		return err
	}
	defer body.Close()
	return readProgress(body, io.Discard)
}

// mayPass reports whether a pull that failed may succeed the next time. Docker's codes do not
// tell a registry's answer from a registry that is away, its texts do.
func mayPass(err error) bool {
	var late *timeoutError
	return !noManifest(err) && !cerrdefs.IsNotFound(err) && !cerrdefs.IsInvalidArgument(err) && !diskFull(err) && !errors.As(err, &late)
}

// noManifest reports that the registry has no such tag.
func noManifest(err error) bool { return strings.Contains(err.Error(), "manifest unknown") }

// pullError puts a failed pull into Fargate's words (ECS-210, ECS-216).
func pullError(container, ref string, retries int, err error) error {
	var late *timeoutError
	switch {
	case errors.As(err, &late):
		return late.of(container)
	case noManifest(err):
		return &orchestrator.StartError{Container: container, Name: "CannotPullImageManifestError",
			Err: fmt.Errorf("manifest unknown: Requested image not found: %s", ref)}
	}
	return &orchestrator.StartError{Container: container, Name: "CannotPullContainerError",
		Err: fmt.Errorf("ref pull has been retried %d time(s): failed to pull %s: %w", retries, ref, remedy(err))}
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

// runnable returns a platform that images are wanted for if this machine can run them, by itself or
// by emulation; else none, for the machine's own will have to do (ECS-444).
func runnable(platform string) string {
	if strings.TrimPrefix(platform, "linux/") == runtime.GOARCH || runtime.GOOS != "linux" { // elsewhere Docker is a machine of its own, which emulates
		return platform
	}
	emulator := map[string]string{"linux/arm64": "qemu-aarch64", "linux/amd64": "qemu-x86_64"}[platform]
	if _, err := os.Stat(filepath.Join(emulators, emulator)); emulator == "" || err != nil {
		return ""
	}
	return platform
}

// emulators is where the kernel shows what it runs other machines' programs with.
var emulators = "/proc/sys/fs/binfmt_misc"
