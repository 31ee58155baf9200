package timeline

import "testing"

// TestExplain_WhatPeopleDid: somebody with Docker is behind it.
func TestExplain_WhatPeopleDid(t *testing.T) {
	checkStories(t, map[string]explained{
		"somebody takes the network away": {
			story: running + `
				5.0 outside A disconnect                             < running
				5.1 task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated
				5.1 signal A SIGTERM stopTimeout=30
				5.2 target A healthy draining
				5.05 fail 502 conn_refused on=A state=healthy n=2
				2.0 fail 502 dereg_delay_elapsed on=A state=healthy took=8`,
			code: Disconnected, confidence: Certain,
			sentence: []string{"network of task aaaaaaaa (orders:12) was taken from it from outside", "refused 2 connections and left 1 request unanswered"},
			chain:    "request target task network task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"somebody takes the network away, noticed late": {
			story: running + `
				3.0 fail 502 icmp_unreachable on=A state=healthy
				7.0 outside A disconnect                             < running`,
			code: Disconnected, confidence: Likely, sentence: []string{"was taken from it"},
			chain: "request target task network task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"a removal that is noticed late": {
			story: running + `
				3.0 fail 502 conn_refused on=A state=healthy
				7.0 exit A app outside=remove                        < running`,
			code: ContainerExit, confidence: Likely, sentence: []string{"Container app of task aaaaaaaa (orders:12) was removed from outside"},
			chain: "request target task exit task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"an exit that is noticed late": {
			story: running + `
				3.0 fail 502 conn_refused on=A state=healthy
				7.0 exit A app 1 finishedAt=2026-03-01T12:00:02.9Z   < running`,
			code: ContainerExit, confidence: Likely, sentence: []string{"exited with code 1"},
			chain: "request target task exit task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"an exit that came later": {
			story: running + `
				3.0 fail 502 conn_refused on=A state=healthy
				7.0 exit A app 1 finishedAt=2026-03-01T12:00:05Z     < running`,
			code: UnknownReason, confidence: Unsure, sentence: []string{"I don't know"}, chain: "request target task", states: "healthy RUNNING",
		},
		"somebody pauses a container": {
			story: running + `
				5.0 outside A pause container=app                    < running
				4.9 fail 502 dereg_delay_elapsed on=A state=healthy took=15 n=2`,
			code: Paused, confidence: Certain, sentence: []string{"Container app of task aaaaaaaa (orders:12) was paused from outside", "left 2 requests unanswered, the longest 15 s old"},
			chain: "request target task warning task-state task-state decision deployment api-call", states: "healthy RUNNING",
		},
		"somebody paused a container, and has resumed it": {
			story: running + `
				5.0 outside A pause container=app                    < running
				6.0 outside A unpause container=app                  < running
				7.0 fail 504 response_timeout on=A state=healthy took=15`,
			code: IdleTimeout, confidence: Certain, sentence: []string{"sent nothing for"}, chain: "request target task", states: "healthy RUNNING",
		},
		"every task was cut off": {
			story: running + `
				1.0  outside A disconnect                            < running
				1.1  task A RUNNING DEACTIVATING desiredStatus=STOPPED stopCode=UserInitiated reason=Network_interface_eni-1_was_disconnected_from_outside
				1.2  target A healthy draining
				2.0  fail 503 no_registered_targets n=4`,
			code: NoTaskSurvived, confidence: Certain, sentence: []string{"The tasks of service orders failed, last aaaaaaaa (Network interface eni-1 was disconnected from outside)"},
			chain: "request target task-state network task-state task-state decision deployment api-call", states: "none",
		},
	})
}
