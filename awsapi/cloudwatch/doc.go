// Package cloudwatch is the API of Amazon CloudWatch: generated shapes and their handlers. It keeps no state.
package cloudwatch
