// Package store keeps drydock's state in SQLite: the rows of every room, the event
// log and the requests that failed.
//
// A row is a JSON document under a kind and a key. The rooms own their documents and
// are their only writers; the store makes a change and the events that say why durable
// in one transaction, and never looks inside. Rooms see it through interfaces of their
// own, which [DB] satisfies.
//
// It never retries, never deletes a database that it cannot read, and never runs twice on
// one directory: the daemon's lock is taken here.
package store
