package secrets

import (
	"path/filepath"
	"strings"
	"testing"
)

// FuzzSecret_LeavesTheDirectoryAlone: whatever a definition names, the answer is a value of the
// directory or an error, and what lies outside stays there.
func FuzzSecret_LeavesTheDirectoryAlone(f *testing.F) {
	for _, seed := range []string{"a", "/a/b", "../outside", secretARN + "s:k::", secretARN + "../../outside", secretARN + ":::", parameterARN + "/../../outside", "ssm/../../outside", "a\x00b", referencePath} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		dir := directory(t, map[string]string{"outside": "forbidden", "in/ssm/a": "1", "in/secretsmanager/s": `{"k":"2"}`})
		l := open(t, filepath.Join(dir, "in"))
		value, err := l.Secret(t.Context(), ref)
		if err == nil && value != "1" && value != "2" && value != `{"k":"2"}` {
			t.Errorf("%q: got %q", ref, value)
		}
		if err != nil && strings.Contains(err.Error(), "forbidden") {
			t.Errorf("%q: %v", ref, err)
		}
		l.EnvironmentFile(t.Context(), ref)
	})
}
