package agent

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"
)

// Provider gives credentials. What it returns is never logged.
type Provider interface {
	// Retrieve returns credentials of the account that tasks work in. They are used at once.
	Retrieve(ctx context.Context) (Credentials, error)
}

// Credentials are what a task signs its calls with.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	Token           string    // empty: permanent keys
	Expires         time.Time // zero: never
}

// credentialsDocument is the answer, under the names that SDKs look for (ECS-224).
type credentialsDocument struct {
	RoleARN         string `json:"RoleArn"`
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      string
}

// credentialsError is how credentials are refused.
type credentialsError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Status  int    `json:"HTTPErrorCode"`
}

// credentials serves the credentials of the task that asks.
func (a *Agent) credentials(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code, text string) {
		write(w, status, credentialsError{code, "CredentialsV2Request: " + text, status})
	}
	id := r.PathValue("id")
	c, ok := a.caller(r)
	switch {
	case id == "":
		refuse(http.StatusBadRequest, "NoIdInRequest", "No Credential ID in the request")
		return
	case !ok || !hmac.Equal([]byte(id), []byte(a.credentialsID(c.task.ARN))):
		refuse(http.StatusBadRequest, "InvalidIdInRequest", "Credentials not found")
		return
	}
	role := a.roleOf(c.task)
	if a.config.Credentials == nil || role == "" {
		refuse(http.StatusBadRequest, "NoCredentialsAssociated", "No credentials are associated with the task")
		return
	}
	got, err := a.config.Credentials.Retrieve(r.Context())
	if err != nil {
		refuse(http.StatusServiceUnavailable, "CredentialsUninitialized", "Credentials uninitialized for ID: "+err.Error())
		return
	}
	if got.Expires.IsZero() {
		got.Expires = time.Now().Add(credentialsLast)
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, http.StatusOK, credentialsDocument{role, got.AccessKeyID, got.SecretAccessKey, got.Token, got.Expires.UTC().Format(time.RFC3339)})
}

// credentialsID is the UUID in the path of a task's credentials. Nobody but us can know it.
func (a *Agent) credentialsID(task string) string {
	mac := hmac.New(sha256.New, a.secret)
	mac.Write([]byte(task))
	sum := mac.Sum(nil)
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}
