package logs

import (
	"context"
	"errors"
	"time"

	"drydock/awsapi"
	"drydock/cloudwatch/logs"
)

// api holds what the handlers need.
type api struct{ service *logs.Service }

// Register registers the handlers of CloudWatch Logs.
func Register(s *awsapi.Server, service *logs.Service) {
	h := api{service}
	awsapi.Handle(s, "logs", "CreateLogGroup", h.createLogGroup)
	awsapi.Handle(s, "logs", "DeleteLogGroup", h.deleteLogGroup)
	awsapi.Handle(s, "logs", "DescribeLogGroups", h.describeLogGroups)
	awsapi.Handle(s, "logs", "PutRetentionPolicy", h.putRetentionPolicy)
	awsapi.Handle(s, "logs", "DeleteRetentionPolicy", h.deleteRetentionPolicy)
	awsapi.Handle(s, "logs", "CreateLogStream", h.createLogStream)
	awsapi.Handle(s, "logs", "DeleteLogStream", h.deleteLogStream)
	awsapi.Handle(s, "logs", "DescribeLogStreams", h.describeLogStreams)
	awsapi.Handle(s, "logs", "PutLogEvents", h.putLogEvents)
	awsapi.Handle(s, "logs", "GetLogEvents", h.getLogEvents)
	awsapi.Handle(s, "logs", "FilterLogEvents", h.filterLogEvents)
	awsapi.Handle(s, "logs", "ListTagsForResource", h.listTagsForResource)
	awsapi.Handle(s, "logs", "ListTagsLogGroup", h.listTagsLogGroup)
	awsapi.Handle(s, "logs", "TagResource", h.tagResource)
	awsapi.Handle(s, "logs", "UntagResource", h.untagResource)
}

// pageSize is the most that DescribeLogGroups and DescribeLogStreams return at once (CWL-010).
const pageSize = 50

func (h api) createLogGroup(ctx context.Context, in *CreateLogGroupRequest) (*CreateLogGroupOutput, error) {
	return &CreateLogGroupOutput{}, h.service.CreateLogGroup(ctx, *in.LogGroupName, awsapi.Value(in.LogGroupClass), awsapi.Value(in.KmsKeyId), in.Tags)
}

func (h api) deleteLogGroup(ctx context.Context, in *DeleteLogGroupRequest) (*DeleteLogGroupOutput, error) {
	return &DeleteLogGroupOutput{}, h.service.DeleteLogGroup(ctx, *in.LogGroupName)
}

func (h api) describeLogGroups(ctx context.Context, in *DescribeLogGroupsRequest) (*DescribeLogGroupsResponse, error) {
	groups, err := h.service.DescribeLogGroups(ctx, awsapi.Value(in.LogGroupNamePrefix), awsapi.Value(in.LogGroupNamePattern))
	if err != nil {
		return nil, err
	}
	page, next, err := page(groups, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &DescribeLogGroupsResponse{LogGroups: []LogGroup{}, NextToken: next}
	for _, g := range page {
		out.LogGroups = append(out.LogGroups, groupShape(g))
	}
	return out, nil
}

func page[T any](items []T, token *string, limit *int64) ([]T, *string, error) {
	part, next, err := awsapi.Page(items, token, limit, pageSize)
	if errors.Is(err, awsapi.ErrToken) {
		err = &logs.Error{Code: "InvalidParameterException", Message: "The specified nextToken is invalid."}
	}
	return part, next, err
}

func groupShape(g logs.Group) LogGroup {
	return LogGroup{
		LogGroupName: &g.Name, CreationTime: millis(g.CreatedAt), RetentionInDays: awsapi.NonZero(int64(g.RetentionInDays)),
		MetricFilterCount: new(int64), Arn: new(g.ARN + ":*"), LogGroupArn: &g.ARN, StoredBytes: new(int64),
		KmsKeyId: awsapi.NonZero(g.KMSKeyID), LogGroupClass: &g.Class,
	}
}

// millis is a time as this API has it: milliseconds since 1970; nil for no time.
func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.UnixMilli())
}

// instant is the time of milliseconds since 1970; zero for none.
func instant(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms)
}

func (h api) putRetentionPolicy(ctx context.Context, in *PutRetentionPolicyRequest) (*PutRetentionPolicyOutput, error) {
	days := int(*in.RetentionInDays)
	if days == 0 {
		days = -1 // only DeleteRetentionPolicy deletes it
	}
	return &PutRetentionPolicyOutput{}, h.service.PutRetentionPolicy(ctx, *in.LogGroupName, days)
}

func (h api) deleteRetentionPolicy(ctx context.Context, in *DeleteRetentionPolicyRequest) (*DeleteRetentionPolicyOutput, error) {
	return &DeleteRetentionPolicyOutput{}, h.service.PutRetentionPolicy(ctx, *in.LogGroupName, 0)
}

func (h api) listTagsForResource(_ context.Context, in *ListTagsForResourceRequest) (*ListTagsForResourceResponse, error) {
	tags, err := h.service.Tags(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &ListTagsForResourceResponse{Tags: orEmpty(tags)}, nil
}

func (h api) listTagsLogGroup(_ context.Context, in *ListTagsLogGroupRequest) (*ListTagsLogGroupResponse, error) {
	tags, err := h.service.Tags(*in.LogGroupName)
	if err != nil {
		return nil, err
	}
	return &ListTagsLogGroupResponse{Tags: orEmpty(tags)}, nil
}

func orEmpty(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}

func (h api) tagResource(ctx context.Context, in *TagResourceRequest) (*TagResourceOutput, error) {
	return &TagResourceOutput{}, h.service.Tag(ctx, *in.ResourceArn, in.Tags)
}

func (h api) untagResource(ctx context.Context, in *UntagResourceRequest) (*UntagResourceOutput, error) {
	return &UntagResourceOutput{}, h.service.Untag(ctx, *in.ResourceArn, in.TagKeys)
}
