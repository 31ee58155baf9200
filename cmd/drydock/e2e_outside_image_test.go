package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"drydock/awsapi/ecs"
	"drydock/timeline"
)

// outsideImage is a tag that a test of images moves about, its own.
func (h *hands) outsideImage() string { return "drydock-e2e/outside:" + h.instance }

// makeImage gives the tag to an image of its own, which answers as the user service does.
func (h *hands) makeImage() (id string) {
	h.program.Helper()
	ctx := h.program.Context()
	made, err := h.engine.ContainerCreate(ctx, &container.Config{Image: "shop/user-service:v1"}, nil, nil, nil, "")
	h.must(err)
	defer removeContainer(h.program.T, made.ID)
	committed, err := h.engine.ContainerCommit(ctx, made.ID, container.CommitOptions{Reference: h.outsideImage(), Comment: "drydock e2e " + time.Now().String()})
	h.must(err)
	return committed.ID
}

// removesImages removes what is there of images when the test ends. What runs them must end before:
// call it first.
func removesImages(t *testing.T) (ids *[]string) {
	ids = &[]string{}
	t.Cleanup(func() {
		engine := dockerClient(t)
		defer engine.Close()
		for _, name := range *ids {
			if _, err := engine.ImageRemove(context.Background(), name, image.RemoveOptions{Force: true}); err != nil && !cerrdefs.IsNotFound(err) {
				t.Error(err)
			}
		}
	})
	return ids
}

// TestOutside_ImageRetaggedUnderLoad: in the middle of a deployment the tag becomes that of another
// service's image. The deployment goes on with the image that it began with, replacements too.
func TestOutside_ImageRetaggedUnderLoad(t *testing.T) {
	t.Parallel()
	images := removesImages(t)
	p := newProgram(t)
	h := newHands(p)
	id := h.makeImage()
	*images = append(*images, h.outsideImage(), id)
	p.oneByOne("twins", "users")
	h.begun = time.Now()
	p.Run("deploy", "users", "--image", h.outsideImage(), "--no-wait")
	p.Eventually("the first new task runs", func() error {
		for _, t := range p.tasksOf("users") {
			if t.TaskDefinition == p.service("users").TaskDefinition && t.CreatedAt.After(h.begun) {
				return nil
			}
		}
		return errors.New("not yet")
	})
	h.must(h.engine.ImageTag(p.Context(), "shop/payment-service:v1", h.outsideImage()))
	p.awaitDeployed("users", p.service("users").TaskDefinition)
	h.checkLost(nil, nil)
	h.begun = time.Now()
	victim := p.tasksOf("users")[0]
	h.must(deeds[0].do(h, victim.Containers[0].RuntimeID))
	h.checkReplaced(victim, deeds[0])
	for _, task := range p.tasksOf("users") {
		c, err := h.engine.ContainerInspect(p.Context(), task.Containers[0].RuntimeID)
		h.must(err)
		if c.Image != id {
			t.Errorf("task %s runs %s, want %s: the deployment has pinned it", task.ID, c.Image, id)
		}
	}
	h.checkNothingStrayed()
}

// oneByOne has a service's deployments start one task at a time.
func (p *program) oneByOne(cluster, service string) {
	p.Helper()
	in := map[string]any{"cluster": cluster, "service": service, "deploymentConfiguration": bounds(100, 134, false)}
	if _, err := call[ecs.UpdateServiceResponse](p.Context(), p.client(), "ecs", "UpdateService", in); err != nil {
		p.Fatal(err)
	}
}

// TestOutside_ImageRemovedUnderLoad: the containers are removed, and their image with them, before
// the daemon sees it. The other service does not notice; the service recovers when the image is back.
func TestOutside_ImageRemovedUnderLoad(t *testing.T) {
	t.Parallel()
	images := removesImages(t)
	r := newRelay(t)
	p := newProgramBehind(t, r)
	h := newHands(p)
	id := h.makeImage()
	*images = append(*images, h.outsideImage(), id)
	kept := h.keepImage(h.outsideImage())
	p.Run("deploy", "users", "--image", h.outsideImage())
	p.Eventually("both services are whole", h.whole)
	h.begun = time.Now()
	old := p.tasksOf("users")
	blind := r.Hold()
	for _, task := range old {
		h.must(deeds[0].do(h, task.Containers[0].RuntimeID))
	}
	for _, name := range []string{h.outsideImage(), id} {
		if _, err := h.engine.ImageRemove(p.Context(), name, image.RemoveOptions{Force: true}); err != nil && !strings.Contains(err.Error(), "No such image") {
			t.Fatal(err)
		}
	}
	blind()
	p.Eventually("the service says that there is no image", func() error { return h.said("is unable to consistently start tasks successfully") })
	if err := h.said("CannotPullContainerError"); err != nil {
		t.Error(err)
	}
	h.must(loadImage(h, kept))
	p.Eventually("all is replaced", func() error { return errors.Join(p.noneOf(old), h.whole()) })
	h.goodFor(500 * time.Millisecond)
	h.checkLost(old, []int{502, 503, 504})
	for _, o := range h.Outcomes(h.begun) {
		if o.Failed() && strings.HasPrefix(o.URI, "/api/payments") {
			t.Fatalf("the other service has failed: %+v", o)
		}
	}
	h.checkNothingStrayed()
}

// keepImage saves an image as docker save does.
func (h *hands) keepImage(name string) []byte {
	h.program.Helper()
	body, err := h.engine.ImageSave(h.program.Context(), []string{name})
	h.must(err)
	defer body.Close()
	text, err := io.ReadAll(body)
	h.must(err)
	return text
}

func loadImage(h *hands, kept []byte) error {
	resp, err := h.engine.ImageLoad(h.program.Context(), bytes.NewReader(kept))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// said returns an error unless a service event of this step says something.
func (h *hands) said(what string) error {
	for _, e := range h.Events() {
		if e.Kind == timeline.ServiceEvent && e.Time.After(h.begun) && strings.Contains(e.Message, what) {
			return nil
		}
	}
	return fmt.Errorf("no service event says %q", what)
}

// Hold keeps every call to Docker waiting until the returned func is called, and breaks the event
// streams: the daemon sees nothing.
func (r *relay) Hold() (goOn func()) {
	held := make(chan struct{})
	r.Before(func(req *http.Request) {
		select {
		case <-held:
		case <-req.Context().Done():
		}
	})
	r.Cut()
	return sync.OnceFunc(func() { r.Before(nil); close(held) })
}
