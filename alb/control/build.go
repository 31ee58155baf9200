package control

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Self is the program that runs, also when its file was replaced.
const Self = "/proc/self/exe"

// Build identifies the program that runs: two that differ have different ones. It is the
// linker's build id, or the hash of the file if it has none.
func Build() (string, error) {
	f, err := elf.Open(Self)
	if err != nil {
		return "", fmt.Errorf("read the build id: %w", err)
	}
	defer f.Close()
	if note := f.Section(".note.go.buildid"); note != nil {
		data, err := note.Data()
		if _, id, ok := bytes.Cut(data, []byte("Go\x00\x00")); err == nil && ok && len(bytes.Trim(id, "\x00")) > 0 {
			return string(bytes.Trim(id, "\x00")), nil
		}
	}
	return hashSelf()
}

func hashSelf() (string, error) {
	f, err := os.Open(Self)
	if err != nil {
		return "", fmt.Errorf("hash the program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash the program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// SelfPath returns a path that starts the program that runs: its file, as long as that was
// not replaced.
func SelfPath() string {
	path, err := os.Executable()
	if err != nil {
		return Self
	}
	file, err1 := os.Stat(path)
	self, err2 := os.Stat(Self)
	if err1 != nil || err2 != nil || !os.SameFile(file, self) {
		return Self
	}
	return path
}
