// Package awsapi speaks the AWS wire protocols, awsJson, Query, EC2 Query and rpc-v2-cbor, as
// server and as client.
//
// Its words:
//
//   - A [Service] is what the wire layer knows of one AWS service. The table [Services],
//     the shapes in the folders ecs, elbv2, ec2 and sts, and the list of supported
//     operations all come from ops.txt by way of awsapi/gen.
//   - A shape is a generated Go struct. Scalars are pointers and nil is absent; an empty
//     slice that is not nil was sent as an empty list, which is not the same.
//   - A [Call] is one API call as it came in. Handlers find it with [CallFrom].
//   - A [Server] finds out which operation a request means, decodes and checks its input,
//     calls the handler that [Handle] registered, and encodes the answer or the error.
//
// The server parses signatures but does not verify them; it requires one because a web
// page can't make it. It keeps no state: what handlers change is written by the rooms
// they call. It never holds a business rule.
package awsapi

//go:generate go run ./gen
