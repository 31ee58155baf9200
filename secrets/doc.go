// Package secrets is what stands in for Secrets Manager, the SSM Parameter Store and S3 when a
// task definition names a secret or an environment file: a directory or a file of this machine.
//
// Its words:
//
//   - A [Local] is the directory or file that the daemon was given with --secrets.
//   - A reference is what a definition's valueFrom says: the ARN of a secret, with a JSON key,
//     a version stage and a version id behind it if wanted, or the name or ARN of a parameter.
//   - A place is where a reference is looked for: a path below the directory, or a key of the
//     file. One reference may have several places; the first that exists counts.
//   - A [MissingError] says in AWS's words that there is no value, and names every place.
//
// In a directory, parameters are the files ssm/NAME, secrets are secretsmanager/NAME, or
// secretsmanager/NAME@STAGE for a version that is not the current one, and environment files are
// s3/BUCKET/KEY. One line break at a file's end is not part of its value. In a file, YAML or JSON,
// the keys are names or ARNs and s3://BUCKET/KEY, the values are text or objects.
//
// Everything is read anew each time, so that a value that was changed reaches the next task that
// starts. The package writes nothing, keeps no value, and puts none into an error.
package secrets
