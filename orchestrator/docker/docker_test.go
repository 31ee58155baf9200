package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"drydock/orchestrator"
	"drydock/orchestrator/enginetest"
)

const (
	testImage    = "drydock-engine-test:app"
	missingImage = "127.0.0.1:1/drydock-no-such-image:latest"
)

// testEngine is an engine for an instance of its own, of which nothing is left after the test.
func testEngine(t *testing.T) *Engine {
	t.Helper()
	e := newEngine(t, randomHex(4))
	loadTestImage(t, e)
	t.Cleanup(func() {
		if err := e.Purge(context.Background()); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return e
}

func newEngine(t *testing.T, instance string) *Engine {
	t.Helper()
	e, err := New(context.Background(), Config{Instance: instance, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil && os.Getenv("DRYDOCK_TEST_REQUIRE_DOCKER") == "" {
		t.Skipf("no Docker here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// testVPC is a range that a second run of the tests is unlikely to use at the same time.
var testVPC = sync.OnceValue(func() orchestrator.VPC {
	b := make([]byte, 2)
	rand.Read(b)
	cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 180 + b[0]%60, b[1], 0}), 24)
	return orchestrator.VPC{ID: "vpc-" + randomHex(4), CIDR: cidr, Gateway: cidr.Addr().Next()}
})

// testApp is testdata/app, built once.
var testApp = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "drydock-app")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	app := filepath.Join(dir, "app")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", app, "./testdata/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, &exec.Error{Name: string(out), Err: err}
	}
	return os.ReadFile(app)
})

// loadTestImage imports the test program as an image, from scratch. The image stays: it costs
// little and other runs of the tests may be using it.
func loadTestImage(t *testing.T, e *Engine) {
	t.Helper()
	if err := importApp(t.Context(), e); err != nil {
		t.Fatalf("make the test image: %v", err)
	}
}

var importOnce sync.Mutex

func importApp(ctx context.Context, e *Engine) error {
	importOnce.Lock()
	defer importOnce.Unlock()
	app, err := testApp()
	if err != nil {
		return err
	}
	if imported {
		return nil
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(app))})
	w.Write(app)
	w.WriteHeader(&tar.Header{Name: "tmp/", Mode: 0o777, Typeflag: tar.TypeDir})
	w.Close()
	body, err := e.client.ImageImport(ctx, image.ImportSource{Source: &b, SourceName: "-"}, testImage,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/app"]`, `HEALTHCHECK CMD ["/app", "check-ill"]`}})
	if err != nil {
		return err
	}
	defer body.Close()
	if err := readProgress(body, io.Discard); err != nil {
		return err
	}
	imported = true
	return nil
}

var imported bool

func TestMain(m *testing.M) {
	code := m.Run()
	removeTestImage()
	os.Exit(code)
}

func removeTestImage() {
	if !imported {
		return
	}
	e, err := New(context.Background(), Config{Instance: "00000000"})
	if err == nil {
		removeImage(e, testImage)
	}
}

func removeImage(e *Engine, ref string) {
	e.client.ImageRemove(context.Background(), ref, image.RemoveOptions{PruneChildren: true})
}

func TestEngine_Conformance(t *testing.T) {
	e := testEngine(t)
	other := newEngine(t, randomHex(4))
	enginetest.Conformance(t, func(t *testing.T, test func(t *testing.T, s enginetest.System)) {
		test(t, enginetest.System{
			Engine:       e,
			Again:        func() orchestrator.Engine { return newEngine(t, e.config.Instance) },
			Other:        func() orchestrator.Engine { return other },
			VPC:          testVPC(),
			Image:        testImage,
			MissingImage: missingImage,
			Outside:      people{t, e},
			Tag:          func(t *testing.T) (string, func()) { return testTag(t, e) },
		})
	})
}

// testTag is another name of the test image, and a function that gives it to another image.
func testTag(t *testing.T, e *Engine) (name string, retag func()) {
	t.Helper()
	name = "drydock-engine-test:" + randomHex(4)
	if err := e.client.ImageTag(t.Context(), testImage, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(e, name) })
	return name, func() {
		made, err := e.client.ContainerCreate(t.Context(), &container.Config{Image: testImage}, nil, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		defer e.client.ContainerRemove(t.Context(), made.ID, container.RemoveOptions{})
		if _, err := e.client.ContainerCommit(t.Context(), made.ID, container.CommitOptions{Reference: name}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNew_SaysWhatToDo(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///no/such/docker.sock")
	_, err := New(t.Context(), Config{Instance: "0123abcd"})
	if err == nil || !strings.Contains(err.Error(), "DOCKER_HOST") {
		t.Errorf("New() = %v, want the remedy", err)
	}
	if _, err := New(t.Context(), Config{Instance: "x"}); err == nil {
		t.Error("New() took a bad instance")
	}
}
