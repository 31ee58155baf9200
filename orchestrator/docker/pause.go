package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// pauseImage is made by us, from nothing; the tag is the version of its content.
const pauseImage = "drydock/pause:1"

// pauseCode is a program that sleeps for ever, by the host's architecture as Docker reports it.
// It needs no signal handler: PID 1 is killed with SIGKILL when the task's containers are gone.
var pauseCode = map[string]struct {
	machine uint16 // e_machine of ELF
	code    []byte
}{
	"x86_64": {62, []byte{
		0xb8, 34, 0, 0, 0, // again: mov eax, 34 (pause)
		0x0f, 0x05, // syscall
		0xeb, 0xf7, // jmp again
	}},
	"aarch64": {183, words(
		0xd2800000, // again: mov x0, #0
		0xd2800001, // mov x1, #0
		0xd2800002, // mov x2, #0
		0xd2800003, // mov x3, #0
		0xd2800004, // mov x4, #0
		0xd2800928, // mov x8, #73 (ppoll: arm64 has no pause)
		0xd4000001, // svc #0
		0x17fffff9, // b again
	)},
}

func words(w ...uint32) []byte {
	b, _ := binary.Append(nil, binary.LittleEndian, w)
	return b
}

// pauseELF is the smallest Linux executable around a pauseCode: an ELF header, one loadable
// segment that is the whole file, and the code.
func pauseELF(arch string) ([]byte, error) {
	p, ok := pauseCode[arch]
	if !ok {
		return nil, fmt.Errorf("tasks of several containers need amd64 or arm64, Docker's host is %s", arch)
	}
	const base, head = 0x400000, 64 + 56
	size := uint64(head + len(p.code))
	b := []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00") // 64 bits, little-endian
	for _, field := range []any{
		uint16(2), p.machine, uint32(1), // executable, machine, version
		uint64(base + head), uint64(64), uint64(0), // entry, program headers, no sections
		uint32(0), uint16(64), uint16(56), uint16(1), // flags, sizes of the headers, one program header
		uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), // PT_LOAD, readable and executable
		uint64(0), uint64(base), uint64(base), size, size, uint64(0x10000),
	} {
		b, _ = binary.Append(b, binary.LittleEndian, field)
	}
	return append(b, p.code...), nil
}

// ensurePauseImage makes the pause image if Docker has lost it or never had it.
func (e *Engine) ensurePauseImage(ctx context.Context) error {
	e.pause.Lock()
	defer e.pause.Unlock()
	if ok, err := e.HasImage(ctx, pauseImage); ok || err != nil {
		return err
	}
	elf, err := pauseELF(e.arch)
	if err != nil {
		return err
	}
	body, err := e.client.ImageImport(ctx, image.ImportSource{Source: pauseFS(elf), SourceName: "-"}, pauseImage,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/pause"]`}})
	if err != nil {
		return fmt.Errorf("import %s: %w", pauseImage, err)
	}
	defer body.Close()
	return readProgress(body, io.Discard)
}

// pauseFS is a root file system with one file.
func pauseFS(elf []byte) io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(elf))})
	_, err2 := w.Write(elf)
	if err := errors.Join(err, err2, w.Close()); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return &b
}

// removePauseImage removes the image unless another instance uses it.
func (e *Engine) removePauseImage(ctx context.Context) error {
	_, err := e.client.ImageRemove(ctx, pauseImage, image.RemoveOptions{PruneChildren: true})
	if cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) {
		return nil
	}
	return err
}
