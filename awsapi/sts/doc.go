// Package sts serves the AWS Security Token Service: who am I? It keeps no state.
package sts
