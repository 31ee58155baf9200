package taskdefs

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var (
	cpuSize    = regexp.MustCompile(`^(\d+(?:\.\d+)?|\.\d+)\s*(?:v?cpu)?$`)
	memorySize = regexp.MustCompile(`^(\d+(?:\.\d+)?|\.\d+)\s*(?:(gb|mb)?)$`)
)

// normaliseCPU turns "1 vCPU", ".25 vCPU" or "256" into CPU units (ECS-102).
func normaliseCPU(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	text := strings.ToLower(strings.TrimSpace(s))
	m := cpuSize.FindStringSubmatch(text)
	if m == nil {
		return "", clientError("Invalid 'cpu' setting for task.")
	}
	factor := 1.0
	if strings.HasSuffix(text, "cpu") {
		factor = 1024
	}
	return wholeNumber(m[1], factor, "cpu")
}

// normaliseMemory turns "2 GB", "0.5GB" or "512" into MiB (ECS-102).
func normaliseMemory(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	m := memorySize.FindStringSubmatch(strings.ToLower(strings.TrimSpace(s)))
	if m == nil {
		return "", clientError("Invalid 'memory' setting for task.")
	}
	factor := 1.0
	if m[2] == "gb" {
		factor = 1024
	}
	return wholeNumber(m[1], factor, "memory")
}

func wholeNumber(digits string, factor float64, setting string) (string, error) {
	f, err := strconv.ParseFloat(digits, 64)
	n := f * factor
	if err != nil || n != math.Trunc(n) || n <= 0 || n > math.MaxInt32 {
		return "", clientError("Invalid '%s' setting for task.", setting)
	}
	return strconv.FormatInt(int64(n), 10), nil
}

// fargateSize is one row of the table of Fargate task sizes (ECS-104).
type fargateSize struct {
	cpu             int   // CPU units
	memory          []int // MiB; all values if step is 0
	low, high, step int   // MiB
}

var fargateSizes = []fargateSize{
	{cpu: 256, memory: []int{512, 1024, 2048}},
	{cpu: 512, low: 1024, high: 4096, step: 1024},
	{cpu: 1024, low: 2048, high: 8192, step: 1024},
	{cpu: 2048, low: 4096, high: 16384, step: 1024},
	{cpu: 4096, low: 8192, high: 30720, step: 1024},
	{cpu: 8192, low: 16384, high: 61440, step: 4096},
	{cpu: 16384, low: 32768, high: 122880, step: 8192},
}

func (s fargateSize) allows(memory int) bool {
	for _, m := range s.memory {
		if m == memory {
			return true
		}
	}
	return s.step > 0 && memory >= s.low && memory <= s.high && (memory-s.low)%s.step == 0
}

func fargateSizeExists(cpu, memory int) bool {
	for _, s := range fargateSizes {
		if s.cpu == cpu {
			return s.allows(memory)
		}
	}
	return false
}

// Resized returns the task's cpu and memory as RunTask's overrides want them: normalised, the
// definition's where one is empty. On Fargate they must be a size of its table (ECS-104).
func (d TaskDefinition) Resized(cpu, memory string, fargate bool) (string, string, error) {
	if cpu == "" && memory == "" {
		return d.CPU, d.Memory, nil
	}
	cpu, err := normaliseCPU(cmp.Or(cpu, d.CPU))
	if err != nil {
		return "", "", err
	}
	if memory, err = normaliseMemory(cmp.Or(memory, d.Memory)); err != nil {
		return "", "", err
	}
	d.CPU, d.Memory, d.EphemeralStorage = cpu, memory, nil
	if fargate {
		err = checkFargateSize(&d)
	}
	return cpu, memory, err
}
