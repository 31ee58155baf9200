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
	apps := []container.Summary{summary("db", "0", "web"), summary("proxy", "1", "db"), summary("web", "2", "db,proxy")}
	for i, want := range [][]string{{"proxy", "web"}, {"web"}, nil} { // db's dependency makes a circle and is not followed
		if got := dependents(apps, apps[i]); !slices.Equal(got, want) {
			t.Errorf("dependents of %s: %v, want %v", apps[i].ID, got, want)
		}
	}
}
