// Package ssm is Systems Manager's Session Manager, as far as ECS Exec needs it: the data
// channel that session-manager-plugin opens for `aws ecs execute-command`.
//
// Its words:
//
//   - A session is one command in one container. [Sessions] hands out a URL and a token for it.
//   - A channel is the WebSocket connection over which a client takes part in a session. It
//     carries messages in both directions; each is numbered and acknowledged by the other side.
//
// A session lives in memory only, and ends with its channel. Nothing is written to disk.
package ssm
