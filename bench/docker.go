package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

const (
	// parallelStarts is how many containers the plain peer starts at once: more brings no
	// total time.
	parallelStarts = 4
	// appPort is where the image's program answers.
	appPort = 8080
	// benchLabel is on everything that the plain peer makes; its value is the run's id.
	benchLabel = "drydock.bench"
)

// docker is the peer: the plain Docker API, without drydock.
type docker struct {
	api     *client.Client
	id      string // of this run
	image   string
	network string     // name
	first   netip.Addr // of the network's containers
}

func newDocker(ctx context.Context) (*docker, error) {
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("docker client: %w", err)
	}
	if _, err := api.Ping(ctx); err != nil {
		return nil, fmt.Errorf("ask docker: %w", err)
	}
	id := randomHex(4)
	return &docker{api: api, id: id, image: "drydock-bench:" + id, network: "drydock-bench-" + id}, nil
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// version names the engine.
func (d *docker) version(ctx context.Context) string {
	v, err := d.api.ServerVersion(ctx)
	if err != nil {
		return "Docker"
	}
	return "Docker " + v.Version
}

// importApp makes the image: one static program, nothing else.
func (d *docker) importApp(ctx context.Context, root, dir string) error {
	file := filepath.Join(dir, "app")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", file, "./bench/app")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the containers' program: %w: %s", err, out)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(program))}) // to memory: cannot fail
	w.Write(program)
	w.Close()
	body, err := d.api.ImageImport(ctx, image.ImportSource{Source: &layer, SourceName: "-"}, d.image,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/app"]`}})
	if err != nil {
		return fmt.Errorf("import %s: %w", d.image, err)
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}

// ensureNetwork makes a bridge network with a range of its own, as drydock's is.
func (d *docker) ensureNetwork(ctx context.Context) error {
	if d.first.IsValid() {
		return nil
	}
	var err error
	for third := range 32 {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 239, byte(8 * third), 0}), 24)
		_, err = d.api.NetworkCreate(ctx, d.network, network.CreateOptions{
			Driver: "bridge", Labels: map[string]string{benchLabel: d.id},
			IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}},
		})
		if err == nil {
			d.first = netip.AddrFrom4([4]byte{10, 239, byte(8 * third), 10})
			return nil
		}
	}
	return fmt.Errorf("make network %s: %w", d.network, err)
}

// start starts n containers, a few at a time, and returns how long it took until the last
// answers on its port.
func (d *docker) start(ctx context.Context, n int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	slots := make(chan struct{}, parallelStarts)
	errs := make([]error, n)
	var all sync.WaitGroup
	began := time.Now()
	next := d.first
	for i := range n {
		address := next
		next = next.Next()
		slots <- struct{}{}
		all.Go(func() {
			err := d.startOne(ctx, i, address)
			<-slots
			errs[i] = errors.Join(err, answers(ctx, netip.AddrPortFrom(address, appPort)))
		})
	}
	all.Wait()
	return time.Since(began), errors.Join(errs...)
}

func (d *docker) startOne(ctx context.Context, i int, address netip.Addr) error {
	made, err := d.api.ContainerCreate(ctx,
		&container.Config{Image: d.image, Labels: map[string]string{benchLabel: d.id}},
		&container.HostConfig{NetworkMode: container.NetworkMode(d.network)},
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			d.network: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address.String()}},
		}}, nil, fmt.Sprintf("%s-%d", d.network, i))
	if err != nil {
		return err
	}
	return d.api.ContainerStart(ctx, made.ID, container.StartOptions{})
}

// addresses returns where the containers with a label answer.
func (d *docker) addresses(ctx context.Context, label string) ([]netip.AddrPort, error) {
	list, err := d.api.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, c := range list {
		for _, endpoint := range c.NetworkSettings.Networks {
			if address, err := netip.ParseAddr(endpoint.IPAddress); err == nil {
				out = append(out, netip.AddrPortFrom(address, appPort))
			}
		}
	}
	return out, nil
}

// removeContainers removes what start made.
func (d *docker) removeContainers(ctx context.Context) error {
	list, err := d.api.ContainerList(ctx, container.ListOptions{All: true, Filters: d.ours()})
	if err != nil {
		return err
	}
	errs := make([]error, len(list))
	slots := make(chan struct{}, parallelStarts)
	var all sync.WaitGroup
	for i, c := range list {
		slots <- struct{}{}
		all.Go(func() {
			errs[i] = present(d.api.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}))
			<-slots
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (d *docker) ours() filters.Args {
	return filters.NewArgs(filters.Arg("label", benchLabel+"="+d.id))
}

// removeAll removes everything of this run.
func (d *docker) removeAll(ctx context.Context) error {
	errs := []error{d.removeContainers(ctx), present(d.api.NetworkRemove(ctx, d.network))}
	_, err := d.api.ImageRemove(ctx, d.image, image.RemoveOptions{Force: true, PruneChildren: true})
	return errors.Join(append(errs, present(err))...)
}

// present forgives that something was gone already.
func present(err error) error {
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return err
}
