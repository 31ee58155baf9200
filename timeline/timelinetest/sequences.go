package timelinetest

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Long asks for many more random sequences.
var Long = os.Getenv("DRYDOCK_TEST_LONG") != ""

// baseSeed is where the random sequences of an ordinary run start. It is constant, so that an
// ordinary run does not depend on luck; only a change of what is drawn changes the sequences.
const baseSeed = "4"

// Play plays random sequences: each is a configuration and one to longest steps, played in a bubble
// of its own by play, which returns what was broken. How many are played, and which, few and
// many say (see sequences); many are played side by side, each half from a seed of its own.
func Play[C, S any](t *testing.T, few, many int, config *rapid.Generator[C], step *rapid.Generator[S], longest int, play func(*testing.T, C, []S) []string) {
	t.Helper()
	sequences(t, few, many)
	check := func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			c := config.Draw(rt, "config")
			steps := rapid.SliceOfN(step, 1, longest).Draw(rt, "steps")
			var faults []string
			Bubble(t, func(t *testing.T) { faults = play(t, c, steps) })
			if len(faults) > 0 {
				rt.Fatalf("%+v\n%v\n%s", c, steps, strings.Join(faults, "\n"))
			}
		})
	}
	if !Long {
		check(t)
		return
	}
	for range 2 {
		t.Run("", func(t *testing.T) { t.Parallel(); check(t) })
	}
}

// sequences sets how many sequences rapid.Check plays, and from which seed. An ordinary run plays
// few sequences and always the same. DRYDOCK_TEST_LONG=1 plays many, from a random seed. The flags
// -rapid.checks and -rapid.seed, or RAPID_CHECKS and RAPID_SEED, have the last word. On failure
// rapid prints the seed of the sequence, which repeats it.
func sequences(t *testing.T, few, many int) {
	t.Helper()
	checks, seed := few, baseSeed
	if Long {
		checks, seed = many, "0" // a random one
	}
	setFlag(t, "rapid.checks", "100", strconv.Itoa(checks))
	setFlag(t, "rapid.seed", "0", seed)
	setFlag(t, "rapid.nofailfile", "false", "true")
}

// setFlag sets a flag for the time of a test, unless it was set already to something else than its default.
func setFlag(t *testing.T, name, usual, value string) {
	t.Helper()
	before := flag.Lookup(name).Value.String()
	if before != usual {
		return
	}
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set(name, before) })
}
