// Package elbv2 serves the Elastic Load Balancing v2 API.
//
// The shapes are generated; the handlers turn them into the words of package alb and
// back. Every rule and all state are alb's. What the API has and alb has no word for is
// refused here, never dropped.
package elbv2
