package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"drydock/orchestrator"
)

// protectionDocument is the answer about a task's scale-in protection: one of its members (ECS-225).
type protectionDocument struct {
	Protection *protectedTask     `json:"protection,omitempty"`
	Failure    *protectionFailure `json:"failure,omitempty"`
	Error      *protectionError   `json:"error,omitempty"`
}

type protectedTask struct {
	ExpirationDate    *time.Time
	ProtectionEnabled bool
	TaskARN           string `json:"TaskArn"`
}

type protectionFailure struct {
	ARN    string `json:"Arn"`
	Detail *string
	Reason string
}

type protectionError struct {
	ARN     string `json:"Arn,omitempty"`
	Code    string
	Message string
}

func (a *Agent) getProtection(w http.ResponseWriter, r *http.Request) {
	c, ok := a.protectable(w, r)
	if !ok {
		return
	}
	done, failed, err := a.config.Scheduler.GetTaskProtection(c.task.Cluster, []string{c.task.ARN})
	answerProtection(w, c, done, failed, err)
}

func (a *Agent) updateProtection(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ProtectionEnabled *bool
		ExpiresInMinutes  *int
	}
	body := json.NewDecoder(r.Body)
	body.DisallowUnknownFields()
	if err := body.Decode(&in); err != nil {
		refuseProtection(w, http.StatusBadRequest, "", "InvalidParameterException", "UpdateTaskProtection: failed to decode request")
		return
	}
	c, _, ok := a.named(r)
	if ok && in.ProtectionEnabled == nil {
		refuseProtection(w, http.StatusBadRequest, c.task.ARN, "InvalidParameterException", "Invalid request: does not contain 'ProtectionEnabled' field")
		return
	}
	if c, ok = a.protectable(w, r); !ok {
		return
	}
	done, failed, err := a.config.Scheduler.UpdateTaskProtection(r.Context(), orchestrator.ProtectionInput{
		Cluster: c.task.Cluster, Tasks: []string{c.task.ARN}, Enabled: *in.ProtectionEnabled, Minutes: in.ExpiresInMinutes,
	})
	answerProtection(w, c, done, failed, err)
}

// protectable returns the caller, or refuses: the agent calls ECS with the credentials of the
// task's role, so that a task without one has no protection.
func (a *Agent) protectable(w http.ResponseWriter, r *http.Request) (caller, bool) {
	c, _, ok := a.named(r)
	if !ok {
		refuseProtection(w, http.StatusNotFound, "", "ResourceNotFoundException", "Failed to find a task for the request")
		return c, false
	}
	if a.roleOf(c.task) == "" {
		refuseProtection(w, http.StatusForbidden, c.task.ARN, "AccessDeniedException", "Invalid Request: no task IAM role credentials available for task")
		return c, false
	}
	return c, true
}

func refuseProtection(w http.ResponseWriter, status int, arn, code, message string) {
	write(w, status, protectionDocument{Error: &protectionError{arn, code, message}})
}

func answerProtection(w http.ResponseWriter, c caller, done []orchestrator.Protection, failed []orchestrator.Failure, err error) {
	var coded interface{ AWSError() (string, string) }
	switch {
	case errors.As(err, &coded):
		code, message := coded.AWSError()
		refuseProtection(w, http.StatusBadRequest, c.task.ARN, code, message)
	case errors.Is(err, context.Canceled):
		refuseProtection(w, http.StatusGatewayTimeout, c.task.ARN, "RequestCanceled", "Timed out calling ECS Task Protection API")
	case err != nil || len(done)+len(failed) != 1:
		refuseProtection(w, http.StatusInternalServerError, c.task.ARN, "ServerException", "Unexpected error occurred")
	case len(failed) == 1:
		f := &protectionFailure{ARN: failed[0].ARN, Reason: failed[0].Reason}
		if failed[0].Detail != "" {
			f.Detail = &failed[0].Detail
		}
		write(w, http.StatusOK, protectionDocument{Failure: f})
	default:
		write(w, http.StatusOK, protectionDocument{Protection: &protectedTask{moment(done[0].Until), done[0].Enabled, done[0].Task}})
	}
}
