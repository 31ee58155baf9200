package docker

import (
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
)

func summary(name, order, dependsOn string) container.Summary {
	return container.Summary{ID: name, Labels: map[string]string{
		labelContainer: name, labelOrder: order, labelDependsOn: dependsOn,
	}}
}

func TestDependents(t *testing.T) {
	apps := []container.Summary{summary("web", "0", "db,proxy"), summary("db", "1", ""), summary("proxy", "2", "db"),
		summary("a", "3", "b"), summary("b", "4", "a,proxy")}
	for i, want := range [][]string{nil, {"web", "proxy"}, {"web", "b"}, nil, nil} { // a and b make a circle: it is not followed
		if got := dependents(apps, apps[i]); !slices.Equal(got, want) {
			t.Errorf("dependents of %s: %v, want %v", apps[i].ID, got, want)
		}
	}
}
