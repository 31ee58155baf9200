package logs

import (
	"context"
	"time"

	"drydock/awsapi"
	"drydock/cloudwatch/logs"
)

func (h api) createLogStream(ctx context.Context, in *CreateLogStreamRequest) (*CreateLogStreamOutput, error) {
	return &CreateLogStreamOutput{}, h.service.CreateLogStream(ctx, *in.LogGroupName, *in.LogStreamName)
}

func (h api) deleteLogStream(ctx context.Context, in *DeleteLogStreamRequest) (*DeleteLogStreamOutput, error) {
	return &DeleteLogStreamOutput{}, h.service.DeleteLogStream(ctx, *in.LogGroupName, *in.LogStreamName)
}

func (h api) describeLogStreams(ctx context.Context, in *DescribeLogStreamsRequest) (*DescribeLogStreamsResponse, error) {
	group, err := groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	streams, err := h.service.DescribeLogStreams(ctx, group, awsapi.Value(in.LogStreamNamePrefix),
		awsapi.Value(in.OrderBy) == "LastEventTime", awsapi.Value(in.Descending))
	if err != nil {
		return nil, err
	}
	page, next, err := page(streams, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &DescribeLogStreamsResponse{LogStreams: []LogStream{}, NextToken: next}
	for _, s := range page {
		out.LogStreams = append(out.LogStreams, LogStream{
			LogStreamName: &s.Name, CreationTime: millis(s.CreatedAt), Arn: &s.ARN, StoredBytes: new(int64),
			FirstEventTimestamp: millis(s.First), LastEventTimestamp: millis(s.Last), LastIngestionTime: millis(s.Last),
		})
	}
	return out, nil
}

// groupOf is the group that a call names, by one of two members (CWL-011).
func groupOf(name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier != nil:
		return "", &logs.Error{Code: "InvalidParameterException", Message: "LogGroupName and LogGroupIdentifier can not be provided together."}
	case name == nil && identifier == nil:
		return "", &logs.Error{Code: "InvalidParameterException", Message: "One of logGroupName or logGroupIdentifier must be specified."}
	case name != nil:
		return *name, nil
	}
	return logs.NameOf(*identifier), nil
}

func (h api) putLogEvents(ctx context.Context, in *PutLogEventsRequest) (*PutLogEventsResponse, error) {
	events := make([]logs.Event, len(in.LogEvents))
	for i, e := range in.LogEvents {
		events[i] = logs.Event{Time: instant(e.Timestamp), Message: *e.Message}
	}
	rejected, err := h.service.PutLogEvents(ctx, *in.LogGroupName, *in.LogStreamName, events, time.Now())
	if err != nil {
		return nil, err
	}
	out := &PutLogEventsResponse{}
	if rejected.TooNewFrom >= 0 || rejected.TooOldTo >= 0 {
		out.RejectedLogEventsInfo = &RejectedLogEventsInfo{
			TooNewLogEventStartIndex: index(rejected.TooNewFrom), TooOldLogEventEndIndex: index(rejected.TooOldTo),
		}
	}
	return out, nil
}

func index(i int) *int64 {
	if i < 0 {
		return nil
	}
	return new(int64(i))
}

func (h api) getLogEvents(ctx context.Context, in *GetLogEventsRequest) (*GetLogEventsResponse, error) {
	group, err := groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	part, err := h.service.GetLogEvents(ctx, logs.GetLogEventsInput{
		Group: group, Stream: *in.LogStreamName, Start: instant(in.StartTime), End: instant(in.EndTime),
		Token: awsapi.Value(in.NextToken), Limit: int(awsapi.Value(in.Limit)), FromHead: awsapi.Value(in.StartFromHead),
	})
	if err != nil {
		return nil, err
	}
	out := &GetLogEventsResponse{Events: []OutputLogEvent{}, NextForwardToken: &part.Forward, NextBackwardToken: &part.Backward}
	for _, e := range part.Events {
		out.Events = append(out.Events, OutputLogEvent{Timestamp: millis(e.Time), IngestionTime: millis(e.Ingested), Message: &e.Message})
	}
	return out, nil
}

func (h api) filterLogEvents(ctx context.Context, in *FilterLogEventsRequest) (*FilterLogEventsResponse, error) {
	group, err := groupOf(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	events, next, err := h.service.FilterLogEvents(ctx, logs.FilterLogEventsInput{
		Group: group, Streams: in.LogStreamNames, Prefix: awsapi.Value(in.LogStreamNamePrefix),
		Start: instant(in.StartTime), End: instant(in.EndTime), Pattern: awsapi.Value(in.FilterPattern),
		Token: awsapi.Value(in.NextToken), Limit: int(awsapi.Value(in.Limit)),
	})
	if err != nil {
		return nil, err
	}
	out := &FilterLogEventsResponse{Events: []FilteredLogEvent{}, SearchedLogStreams: []SearchedLogStream{}, NextToken: awsapi.NonZero(next)}
	for _, e := range events {
		out.Events = append(out.Events, FilteredLogEvent{
			LogStreamName: &e.Stream, Timestamp: millis(e.Time), IngestionTime: millis(e.Ingested), Message: &e.Message, EventId: new(e.ID()),
		})
	}
	return out, nil
}
