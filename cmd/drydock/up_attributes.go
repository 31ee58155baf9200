package main

import (
	"context"

	"drydock/awsapi/elbv2"
)

// listenerAttributes sets the attributes of a listener that differ and says which.
func (u *up) listenerAttributes(ctx context.Context, arn *string, wanted []attribute) (string, error) {
	if len(wanted) == 0 {
		return "", nil
	}
	found, err := call[elbv2.DescribeListenerAttributesOutput](ctx, u.api, "elbv2", "DescribeListenerAttributes", &elbv2.DescribeListenerAttributesInput{ListenerArn: arn})
	if err != nil {
		return "", err
	}
	have := map[string]string{}
	for _, a := range found.Attributes {
		have[deref(a.Key)] = deref(a.Value)
	}
	modify := elbv2.ModifyListenerAttributesInput{ListenerArn: arn}
	differing := differingAttributes(wanted, have)
	for _, a := range differing {
		modify.Attributes = append(modify.Attributes, elbv2.ListenerAttribute{Key: &a.key, Value: &a.value})
	}
	if len(differing) == 0 {
		return "", nil
	}
	_, err = call[elbv2.ModifyListenerAttributesOutput](ctx, u.api, "elbv2", "ModifyListenerAttributes", &modify)
	return listAttributes(differing), err
}
