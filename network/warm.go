package network

import (
	"context"
	"fmt"
	"strings"

	"drydock/timeline"
)

// WarmOwner begins the owner of a warm interface: one that is made before the task that it
// will belong to.
const WarmOwner = "warm/"

// Warm reports whether the interface is kept ready for a task and belongs to none yet.
// It is in no security group: nothing gets through to it or from it.
func (i Interface) Warm() bool { return strings.HasPrefix(i.Owner, WarmOwner) }

// CreateWarmInterface gives an address in one of the subnets to no task yet. It is idempotent
// per id, which [Network.DeleteInterfacesOf] takes behind [WarmOwner]. When all subnets are
// full the error matches [ErrNoAddress].
func (n *Network) CreateWarmInterface(ctx context.Context, id string, subnets []string) (Interface, error) {
	return n.CreateInterface(ctx, CreateInterfaceInput{SubnetIDs: subnets, Owner: WarmOwner + id, Description: "warm task interface " + id})
}

// AssignInterface makes a warm interface in.Owner's, in in.Groups: an interface as
// [Network.CreateInterface] would have made, whose address was there before. It is idempotent
// per id and owner. Subnets and zone do not count any more. An interface that is not there, or
// belongs to somebody else, is an error.
func (n *Network) AssignInterface(ctx context.Context, id string, in CreateInterfaceInput) (Interface, error) {
	var out Interface
	err := n.update(ctx, func(tx *tx) error {
		i, ok := tx.interfaces[id]
		switch {
		case !ok:
			return interfaceNotFound(id)
		case i.Owner == in.Owner:
			out = i
			return nil
		case !i.Warm():
			return fmt.Errorf("it belongs to %s", i.Owner)
		}
		groups, err := tx.groupsOrDefault(in.Groups)
		if err != nil {
			return err
		}
		i.Owner, i.Description, i.Groups, i.Created = in.Owner, in.Description, groups, tx.now
		tx.put(kindInterface, i.ID, i)
		tx.given(i)
		out = i
		return nil
	})
	if err != nil {
		return Interface{}, fmt.Errorf("assign interface %s to %s: %w", id, in.Owner, err)
	}
	return out, nil
}

// given tells who has got an interface.
func (tx *tx) given(i Interface) {
	message := fmt.Sprintf("address %s in %s (%s) was given to %s", i.Address, i.SubnetID, i.Zone, i.Owner)
	if i.Warm() {
		message = fmt.Sprintf("address %s in %s (%s) is kept ready for a task", i.Address, i.SubnetID, i.Zone)
	}
	tx.event(timeline.Network, i.Owner, message,
		map[string]string{"interface": i.ID, "address": i.Address.String(), "subnet": i.SubnetID, "groups": strings.Join(i.Groups, ",")})
}

// forgetWarm deletes an interface that no task ever had: nobody knows its address, so that it
// is free at once.
func (tx *tx) forgetWarm(i Interface) {
	tx.put(kindInterface, i.ID, nil)
	tx.event(timeline.Network, i.Owner, fmt.Sprintf("address %s is kept ready no longer", i.Address),
		map[string]string{"interface": i.ID, "address": i.Address.String()})
}
