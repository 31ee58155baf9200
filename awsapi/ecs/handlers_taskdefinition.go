package ecs

import (
	"context"
	"encoding/json"
	"time"

	"drydock/awsapi"
	"drydock/taskdefs"
)

// taskDefinitionAnswer is RegisterTaskDefinitionResponse and its like, with the document
// as it was registered: shapes would drop what they don't know, and its order.
type taskDefinitionAnswer struct {
	TaskDefinition json.RawMessage `aws:"taskDefinition"`
	Tags           []Tag           `aws:"tags"`
}

func answer(r taskdefs.Registered) (*taskDefinitionAnswer, error) {
	document, err := taskdefs.Describe(r)
	if err != nil {
		return nil, err
	}
	return &taskDefinitionAnswer{TaskDefinition: document}, nil
}

func (a api) registerTaskDefinition(ctx context.Context, _ *RegisterTaskDefinitionRequest) (*taskDefinitionAnswer, error) {
	r, err := a.definitions.Register(ctx, awsapi.CallFrom(ctx).Raw, nil, caller(ctx), time.Now())
	if err != nil {
		return nil, err
	}
	out, err := answer(r)
	if err == nil && len(r.Tags) > 0 {
		out.Tags = definitionTags(r)
	}
	return out, err
}

func definitionTags(r taskdefs.Registered) []Tag {
	return awsapi.List(r.Tags, func(t taskdefs.Tag) Tag { return Tag{Key: &t.Key, Value: &t.Value} })
}

func (a api) describeTaskDefinition(_ context.Context, in *DescribeTaskDefinitionRequest) (*taskDefinitionAnswer, error) {
	r, err := a.definitions.Lookup(*in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	out, err := answer(r)
	if err == nil && includes(in.Include, "TAGS") {
		out.Tags = definitionTags(r)
	}
	return out, err
}

func (a api) deregisterTaskDefinition(ctx context.Context, in *DeregisterTaskDefinitionRequest) (*taskDefinitionAnswer, error) {
	r, err := a.definitions.Deregister(ctx, *in.TaskDefinition, time.Now())
	if err != nil {
		return nil, err
	}
	return answer(r)
}

// deletedAnswer is DeleteTaskDefinitionsResponse, with the documents as they were registered.
type deletedAnswer struct {
	TaskDefinitions []json.RawMessage `aws:"taskDefinitions"`
	Failures        []Failure         `aws:"failures"`
}

func (a api) deleteTaskDefinitions(ctx context.Context, in *DeleteTaskDefinitionsRequest) (*deletedAnswer, error) {
	deleted, failures, err := a.definitions.Delete(ctx, in.TaskDefinitions, time.Now())
	if err != nil {
		return nil, err
	}
	out := &deletedAnswer{TaskDefinitions: []json.RawMessage{}}
	for _, r := range deleted {
		document, err := taskdefs.Describe(r)
		if err != nil {
			return nil, err
		}
		out.TaskDefinitions = append(out.TaskDefinitions, document)
	}
	out.Failures = awsapi.List(failures, func(f taskdefs.Failure) Failure { return Failure{Arn: &f.ARN, Reason: &f.Reason} })
	return out, nil
}

func (a api) listTaskDefinitions(_ context.Context, in *ListTaskDefinitionsRequest) (*ListTaskDefinitionsResponse, error) {
	arns := a.definitions.List(taskdefs.List{
		Family: awsapi.Value(in.FamilyPrefix), Status: awsapi.Value(in.Status), Descending: awsapi.Value(in.Sort) == "DESC",
	})
	part, next, err := page(arns, in.NextToken, in.MaxResults, pageSize)
	if err != nil {
		return nil, err
	}
	return &ListTaskDefinitionsResponse{TaskDefinitionArns: part, NextToken: next}, nil
}

func (a api) listTaskDefinitionFamilies(_ context.Context, in *ListTaskDefinitionFamiliesRequest) (*ListTaskDefinitionFamiliesResponse, error) {
	names := a.definitions.Families(awsapi.Value(in.FamilyPrefix), awsapi.Value(in.Status))
	part, next, err := page(names, in.NextToken, in.MaxResults, pageSize)
	if err != nil {
		return nil, err
	}
	return &ListTaskDefinitionFamiliesResponse{Families: part, NextToken: next}, nil
}
