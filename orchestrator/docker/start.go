package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"drydock/orchestrator"
)

// request is a container as Docker is asked to create it.
type request struct {
	container string // as in the task definition
	name      string // Docker's
	config    *container.Config
	host      *container.HostConfig
	network   *network.NetworkingConfig
	vpc       orchestrator.VPC
	platform  string
}

// errMissing is that Docker lacks something that a container is made of: its image, as a rule.
var errMissing = errors.New("something is missing")

// start creates what is not there and starts what has never run. Docker is asked for the container
// at once if its image is known, and what would keep it from making one is looked for when it does:
// as a rule nothing is.
func (e *Engine) start(ctx context.Context, r request) (string, error) {
	if !e.labelled(r) {
		id, ran, err := e.find(ctx, r)
		if err == nil && id == "" {
			err = e.provide(ctx, r)
		}
		if err != nil || ran {
			return id, err
		}
	}
	id, err := e.startAtOnce(ctx, r)
	if !errors.Is(err, errMissing) {
		return id, err
	}
	if err := e.provide(ctx, r); err != nil {
		return "", err
	}
	return e.startAtOnce(ctx, r)
}

// labelled labels a container with its image's digest, if that is known already: that of a tag may
// be another one each time.
func (e *Engine) labelled(r request) bool {
	if r.config.Image == pauseImage {
		return true
	}
	digest, known := e.digests.Load(r.image())
	if known {
		r.config.Labels[labelDigest] = digest.(string)
	}
	return known
}

// provide makes a container's image present and labels the container with its digest.
func (e *Engine) provide(ctx context.Context, r request) error {
	if r.config.Image == pauseImage {
		return e.ensurePauseImage(ctx)
	}
	digest, err := e.ensureImage(ctx, r.container, imageName(r.config), r.config.Image, r.platform)
	if err != nil {
		return err
	}
	r.config.Labels[labelDigest] = digest
	if strings.HasPrefix(r.config.Image, "sha256:") {
		e.digests.Store(r.image(), digest)
	}
	return nil
}

// pinned is an image as it is named, and as a deployment has pinned it.
type pinned struct{ name, id string }

func (r request) image() pinned { return pinned{imageName(r.config), r.config.Image} }

func (e *Engine) startAtOnce(ctx context.Context, r request) (string, error) {
	release, err := e.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	id, ran, err := e.createOrFind(ctx, r)
	if err != nil || ran {
		return id, err
	}
	err = e.startCreated(ctx, id)
	if err != nil && e.repair(ctx, r, err) {
		id, err = e.startAfresh(ctx, id, r)
	}
	if err != nil {
		return "", e.startError(ctx, r.container, "CannotStartContainerError", err)
	}
	return id, nil
}

// createOrFind creates a container, or finds the one that an earlier call has had created; ran
// says whether that has been started.
func (e *Engine) createOrFind(ctx context.Context, r request) (id string, ran bool, err error) {
	id, err = e.create(ctx, r)
	if err == nil || ctx.Err() != nil {
		return id, false, err
	}
	if id, ran, findErr := e.find(ctx, r); id != "" || findErr != nil {
		return id, ran, findErr
	}
	if cerrdefs.IsConflict(err) {
		return e.createdMeanwhile(ctx, r, err)
	}
	failed := e.startError(ctx, r.container, "CannotCreateContainerError", err)
	if cerrdefs.IsNotFound(err) {
		failed = fmt.Errorf("%w: %w", errMissing, failed)
	}
	return "", false, failed
}

// repair does something about the cause of a failed start, if it can.
func (e *Engine) repair(ctx context.Context, r request, err error) bool {
	switch {
	case cerrdefs.IsNotFound(err) && r.network != nil: // the network vanished
		e.forgetNetworks()
		return e.ensureNetwork(ctx, r.vpc) == nil
	case strings.Contains(err.Error(), "rlimit") && slices.Contains(r.host.Ulimits, fargateNofile):
		// Docker's own limit of open files is lower than Fargate's and it may not raise it. It has
		// no error code for that, only a text.
		if !e.ownNofile.Swap(true) {
			e.log.Warn("docker may not raise the limit of open files to Fargate's: tasks have docker's own", "limit", defaultNofile)
		}
		r.host.Ulimits = slices.DeleteFunc(r.host.Ulimits, func(u *container.Ulimit) bool { return u == fargateNofile })
		return true
	}
	return false
}

// startAfresh starts a new container in place of one that could not be started.
func (e *Engine) startAfresh(ctx context.Context, id string, r request) (string, error) {
	if err := e.removeContainer(ctx, id); err != nil {
		return "", err
	}
	id, _, err := e.createOrFind(ctx, r)
	if err != nil {
		return "", err
	}
	return id, e.startCreated(ctx, id)
}

func (e *Engine) startCreated(ctx context.Context, id string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, cancel := outlive(ctx)
	defer cancel()
	return within(ctx, startingTimeout, "started", func(ctx context.Context) error {
		return e.client.ContainerStart(ctx, id, container.StartOptions{})
	})
}

// find looks for the container of an earlier call; ran says whether it has been started. A
// container of that name that is not ours is left alone and is an error.
func (e *Engine) find(ctx context.Context, r request) (id string, ran bool, err error) {
	c, err := e.client.ContainerInspect(ctx, r.name)
	if cerrdefs.IsNotFound(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("inspect container %s: %w", r.name, err)
	}
	if c.Config.Labels[labelInstance] != e.config.Instance {
		return "", false, &orchestrator.StartError{
			Container: r.container,
			Name:      "CannotCreateContainerError",
			Err:       fmt.Errorf("a container named %s exists and is not drydock's: remove it (`docker rm -f %s`)", r.name, r.name),
		}
	}
	e.index.add(c.ID, c.Config.Labels)
	return c.ID, c.State.Status != container.StateCreated, nil
}

// create creates the container. Its errors are Docker's.
func (e *Engine) create(ctx context.Context, r request) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var made container.CreateResponse
	longer, cancel := outlive(ctx)
	defer cancel()
	err := within(longer, createTimeout, "created", func(ctx context.Context) (err error) {
		made, err = e.client.ContainerCreate(ctx, r.config, r.host, r.network, nil, r.name)
		return err
	})
	if err != nil {
		return "", err
	}
	e.index.add(made.ID, r.config.Labels)
	for _, w := range made.Warnings {
		e.log.Debug("docker warns", "container", r.name, "warning", w)
	}
	return made.ID, nil
}

// createdMeanwhile waits for the container that has our name. Docker reserves a name before it
// shows the container.
func (e *Engine) createdMeanwhile(ctx context.Context, r request, conflict error) (id string, ran bool, err error) {
	for deadline := time.Now().Add(reservation); time.Now().Before(deadline) && ctx.Err() == nil; sleep(ctx, poll) {
		if id, ran, err := e.find(ctx, r); id != "" || err != nil {
			return id, ran, err
		}
	}
	return "", false, e.startError(ctx, r.container, "CannotCreateContainerError", conflict)
}

// startError puts an error into ECS's words, unless it says nothing about the task.
func (e *Engine) startError(ctx context.Context, container, name string, err error) error {
	if transient(ctx, err) {
		return err
	}
	var already *orchestrator.StartError
	var late *timeoutError
	switch {
	case errors.As(err, &already):
		return err
	case errors.As(err, &late):
		return late.of(container)
	}
	return &orchestrator.StartError{Container: container, Name: name, Err: remedy(err)}
}
