// Package acm serves the AWS Certificate Manager API: certificates that are requested,
// imported, listed and deleted.
//
// The shapes are generated; the handlers turn them into the words of the room acm and back.
// Every rule and all state are that room's.
package acm
