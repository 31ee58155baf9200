package timeline

import (
	"context"
	"fmt"
)

// OutcomeStore makes failed outcomes durable.
type OutcomeStore interface {
	// KeepOutcomes makes outcomes durable, all of them or none. Those whose ids are there
	// already are left out.
	KeepOutcomes(ctx context.Context, outcomes []Outcome) error
	// FollowOutcomes adds their epilogues to outcomes that were kept; to others it does nothing.
	FollowOutcomes(ctx context.Context, epilogues []Epilogue) error
	// LastOutcomes returns the last n outcomes that were kept, oldest first.
	LastOutcomes(ctx context.Context, n int) ([]Outcome, error)
}

// Restore reads the failed outcomes of earlier runs from the store. Call it before Keep.
func (r *Recorder) Restore(ctx context.Context) error {
	if r.store == nil {
		return nil
	}
	outcomes, err := r.store.LastOutcomes(ctx, r.options.Failed)
	if err != nil {
		return fmt.Errorf("load failed outcomes: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range outcomes {
		r.remember(&o)
		r.kept[o.ID] = true
	}
	return nil
}

// Keep makes failed outcomes durable and remembers them; when it returns nil they are. Those
// that were kept before are ignored, so that they may be delivered more than once.
func (r *Recorder) Keep(ctx context.Context, outcomes []Outcome) error {
	fresh := r.unknown(outcomes)
	if len(fresh) == 0 {
		return nil
	}
	if r.store != nil {
		if err := r.store.KeepOutcomes(ctx, fresh); err != nil {
			return fmt.Errorf("keep %d failed outcomes: %w", len(fresh), err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range fresh {
		r.remember(&o)
		r.kept[o.ID] = true
	}
	return nil
}

func (r *Recorder) unknown(outcomes []Outcome) []Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fresh []Outcome
	seen := map[string]bool{}
	for _, o := range outcomes {
		if !r.kept[o.ID] && !seen[o.ID] {
			seen[o.ID] = true
			fresh = append(fresh, o)
		}
	}
	return fresh
}

// KeepEpilogues adds epilogues to outcomes that were kept, durably. One that comes again
// changes nothing.
func (r *Recorder) KeepEpilogues(ctx context.Context, epilogues []Epilogue) error {
	if len(epilogues) == 0 {
		return nil
	}
	if r.store != nil {
		if err := r.store.FollowOutcomes(ctx, epilogues); err != nil {
			return fmt.Errorf("keep %d epilogues: %w", len(epilogues), err)
		}
	}
	for _, e := range epilogues {
		r.Follow(e)
	}
	return nil
}
