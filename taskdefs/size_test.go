package taskdefs

import (
	"fmt"
	"testing"
)

func TestParse_NormalisesSizes(t *testing.T) {
	for _, c := range []struct{ cpu, memory, wantCPU, wantMemory string }{
		{"256", "512", "256", "512"},
		{"1 vCPU", "2 GB", "1024", "2048"},
		{"1 vcpu", "2GB", "1024", "2048"},
		{".25 vCPU", "0.5 GB", "256", "512"},
		{"0.5vCPU", "1gb", "512", "1024"},
	} {
		d, err := Parse(doc(t, func(o object) { o["cpu"], o["memory"] = c.cpu, c.memory }))
		if err != nil {
			t.Errorf("%s, %s: %v", c.cpu, c.memory, err)
			continue
		}
		if d.Definition.CPU != c.wantCPU || d.Definition.Memory != c.wantMemory {
			t.Errorf("%s, %s: got %s, %s", c.cpu, c.memory, d.Definition.CPU, d.Definition.Memory)
		}
	}
}

func TestParse_RefusesSizes(t *testing.T) {
	for _, text := range []string{"much", "-256", "0", "1.5", "1 2", "1 vGPU", "99999999999999999999"} {
		_, err := Parse(doc(t, func(o object) { o["cpu"] = text }))
		wantError(t, err, "ClientException: Invalid 'cpu' setting for task.")
		_, err = Parse(doc(t, func(o object) { o["memory"] = text }))
		wantError(t, err, "ClientException: Invalid 'memory' setting for task.")
	}
}

func TestParse_FargateSizes(t *testing.T) {
	good := map[int][]int{
		256: {512, 1024, 2048}, 512: {1024, 4096}, 1024: {2048, 3072, 8192}, 2048: {4096, 16384},
		4096: {8192, 30720}, 8192: {16384, 20480, 61440}, 16384: {32768, 40960, 122880},
	}
	bad := map[int][]int{
		128: {512}, 256: {256, 1536, 3072}, 512: {512, 5120}, 1024: {1024, 2500, 9216}, 2048: {17408},
		4096: {31744}, 8192: {17408, 65536}, 16384: {36864, 131072}, 32768: {65536},
	}
	size := func(cpu, memory int) []byte {
		return doc(t, func(o object) { o["cpu"], o["memory"] = fmt.Sprint(cpu), fmt.Sprint(memory) })
	}
	for cpu, memories := range good {
		for _, memory := range memories {
			if _, err := Parse(size(cpu, memory)); err != nil {
				t.Errorf("%d CPU, %d MiB: %v", cpu, memory, err)
			}
		}
	}
	for cpu, memories := range bad {
		for _, memory := range memories {
			_, err := Parse(size(cpu, memory))
			wantError(t, err, "ClientException: No Fargate configuration exists for given values.")
		}
	}
}
