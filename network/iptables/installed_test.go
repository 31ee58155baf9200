package iptables

import (
	"maps"
	"testing"
)

func TestInstalled_ReadsWhatIptablesLists(t *testing.T) {
	listed := `-P FORWARD ACCEPT
-N DOCKER-USER
-N dd6e2131-FWD
-N dd6e2131-IN
-N dd0a0b0c-FWD
-N ddnothex-FWD
-A DOCKER-USER -j dd6e2131-FWD
-A dd6e2131-FWD -d 169.254.170.2/32 -i dry-f72954addc -j DROP
-A dd6e2131-FWD -o dry-f72954addc -j dd6e2131-HOLE
`
	want := map[string]string{"dd6e2131": "dry-f72954addc", "dd0a0b0c": ""}
	if got := ruleSets(listed); !maps.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}
