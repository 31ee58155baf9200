// Package applicationautoscaling is the API of Application Auto Scaling: generated shapes and their handlers. It keeps no state.
package applicationautoscaling
