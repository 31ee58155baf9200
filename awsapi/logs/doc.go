// Package logs is the API of Amazon CloudWatch Logs: generated shapes and their handlers. It keeps no state.
package logs
