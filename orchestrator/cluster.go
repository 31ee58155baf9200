package orchestrator

// Cluster is a name that services and tasks live under.
type Cluster struct {
	Name     string            `json:"name"`
	ARN      string            `json:"arn"`
	Status   string            `json:"status"` // ACTIVE or INACTIVE
	Tags     map[string]string `json:"tags,omitempty"`
	Settings map[string]string `json:"settings,omitempty"` // kept and shown; no effect here
}
