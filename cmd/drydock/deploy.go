package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"drydock/awsapi/ecs"
)

func deployCommand() *cli.Command {
	return &cli.Command{
		Name:      "deploy",
		Usage:     "deploy a new revision of a service and watch until it is done",
		ArgsUsage: "SERVICE",
		Description: "Exits 0 when the deployment is completed, 1 when it failed, was rolled back or is\n" +
			"stuck. Interrupting stops watching; the deployment goes on.\n\n" +
			"Example:\n  drydock deploy user-service --image shop/user-service:v2\n" +
			"  drydock deploy user-service --task-definition user-service.json\n" +
			"  drydock deploy user-service --force-new-deployment",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "image", EnvVars: twin("image"), Usage: "register a new revision with this `IMAGE`, and deploy it"},
			&cli.StringFlag{Name: "container", EnvVars: twin("container"), Usage: "the `CONTAINER` that gets the image; by default the one behind the load balancer"},
			&cli.StringFlag{Name: "task-definition", EnvVars: twin("task-definition"), Usage: "register the document in `FILE` and deploy it; or deploy a registered FAMILY:REVISION"},
			&cli.BoolFlag{Name: "force-new-deployment", EnvVars: twin("force-new-deployment"), Usage: "replace all tasks although nothing changed"},
		}, watchFlags()...),
		Action: deployAction,
	}
}

// watchFlags are those of the verbs that start a deployment.
func watchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cluster", EnvVars: twin("cluster"), Usage: "the service's `CLUSTER`, if its name is in several"},
		&cli.BoolFlag{Name: "no-wait", EnvVars: twin("no-wait"), Usage: "start it and do not watch"},
		&cli.DurationFlag{Name: "timeout", Value: 15 * time.Minute, EnvVars: twin("timeout"), Usage: "how long to watch before it counts as stuck"},
		endpointFlag(),
	}
}

func deployAction(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("deploy needs one service: `drydock deploy user-service --image shop/user-service:v2`; `drydock status` lists the services")
	}
	if err := checkDeployFlags(c); err != nil {
		return err
	}
	api, service, err := serviceArgument(c, c.Args().First())
	if err != nil {
		return err
	}
	update := &ecs.UpdateServiceRequest{Cluster: &service.Cluster, Service: &service.Name}
	if c.Bool("force-new-deployment") {
		force := true
		update.ForceNewDeployment = &force
	}
	definition, err := newDefinition(c, api, service)
	if err != nil {
		return err
	}
	if definition != "" {
		update.TaskDefinition = &definition
	}
	return startDeployment(c, api, update)
}

func checkDeployFlags(c *cli.Context) error {
	image, definition := c.String("image") != "", c.String("task-definition") != ""
	switch {
	case image && definition:
		return usagef("--image and --task-definition exclude each other: write the image into the document, or give only --image")
	case !image && !definition && !c.Bool("force-new-deployment"):
		return usagef("deploy what? give --image IMAGE, --task-definition FILE or --force-new-deployment")
	case c.String("container") != "" && !image:
		return usagef("--container says which container gets the new image: give --image too")
	}
	return nil
}

// serviceArgument returns the service that an argument names.
func serviceArgument(c *cli.Context, name string) (*client, *ServiceStatus, error) {
	api, err := newClient(c)
	if err != nil {
		return nil, nil, err
	}
	status, err := api.status(c.Context)
	if err != nil {
		return nil, nil, err
	}
	service, err := findService(status, c.String("cluster"), name)
	return api, service, err
}

// newDefinition returns what to deploy, registered if it is new; "" is what runs already.
func newDefinition(c *cli.Context, api *client, service *ServiceStatus) (string, error) {
	if name := c.String("task-definition"); name != "" {
		return definitionArgument(c.Context, api, name)
	}
	if c.String("image") == "" {
		return "", nil
	}
	have, err := describeService(c.Context, api, service.Cluster, service.Name)
	if err != nil || have == nil {
		return "", orGone(err, service.Name)
	}
	current, err := call[ecs.DescribeTaskDefinitionResponse](c.Context, api, "ecs", "DescribeTaskDefinition", &ecs.DescribeTaskDefinitionRequest{TaskDefinition: have.TaskDefinition, Include: []string{"TAGS"}})
	if err != nil {
		return "", fmt.Errorf("describe %s: %w", tail(deref(have.TaskDefinition)), err)
	}
	if current.TaskDefinition == nil {
		return "", fmt.Errorf("the daemon does not know %s: see `drydock status`", deref(have.TaskDefinition))
	}
	input := registered(current.TaskDefinition)
	if len(current.Tags) > 0 {
		input.Tags = current.Tags
	}
	if err := setImage(&input, have.LoadBalancers, c.String("container"), c.String("image")); err != nil {
		return "", err
	}
	return registerTaskDefinition(c.Context, api, &input)
}

func orGone(err error, service string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("service %s is gone: `drydock status` lists the services", service)
}

var registeredPattern = regexp.MustCompile(`^(arn:aws:ecs:.*|[A-Za-z0-9_-]+(:[0-9]+)?)$`)

// definitionArgument registers the document in a file, or takes the name of what is
// registered.
func definitionArgument(ctx context.Context, api *client, name string) (string, error) {
	if _, err := os.Stat(name); err != nil {
		if registeredPattern.MatchString(name) {
			return name, nil
		}
		return "", usagef("--task-definition: %v: name a file with a task definition, or FAMILY:REVISION", err)
	}
	input, _, errs := readTaskDefinition(name, nil)
	if err := errs.asUsage(); err != nil {
		return "", err
	}
	return registerTaskDefinition(ctx, api, &input)
}

// setImage gives one container a new image.
func setImage(t *ecs.RegisterTaskDefinitionRequest, balancers []ecs.LoadBalancer, container, image string) error {
	var names, essential []string
	for _, c := range t.ContainerDefinitions {
		names = append(names, deref(c.Name))
		if c.Essential == nil || *c.Essential {
			essential = append(essential, deref(c.Name))
		}
	}
	switch {
	case container != "":
	case len(balancers) > 0:
		container = deref(balancers[0].ContainerName)
	case len(essential) == 1:
		container = essential[0]
	default:
		return usagef("which container gets the image? choose with --container from %s", strings.Join(names, ", "))
	}
	i := slices.Index(names, container)
	if i < 0 {
		return usagef("%s has no container %s: %s", deref(t.Family), container, didYouMean(container, names))
	}
	t.ContainerDefinitions = slices.Clone(t.ContainerDefinitions)
	t.ContainerDefinitions[i].Image = &image
	return nil
}

// startDeployment updates a service and watches what comes of it.
func startDeployment(c *cli.Context, api *client, update *ecs.UpdateServiceRequest) error {
	w := &watcher{api: api, screen: newScreen(c.App.ErrWriter), cluster: *update.Cluster, service: *update.Service, eventIDs: map[string]bool{}}
	if _, err := w.newEvents(c.Context); err != nil { // what was there before is not this deployment's
		return err
	}
	w.started = time.Now()
	out, err := call[ecs.UpdateServiceResponse](c.Context, api, "ecs", "UpdateService", update)
	if err != nil {
		return fmt.Errorf("deploy %s: %w", *update.Service, err)
	}
	if out.Service == nil || len(out.Service.Deployments) == 0 {
		return fmt.Errorf("deploy %s: the daemon answered no deployment", *update.Service)
	}
	w.deployment, w.definition = deref(out.Service.Deployments[0].Id), tail(deref(out.Service.TaskDefinition))
	if c.Bool("no-wait") {
		fmt.Fprintf(c.App.Writer, "deployment %s of %s started: watch it with `drydock status %s`\n", w.deployment, w.definition, w.service)
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(c.Context, c.Duration("timeout"), errSlow)
	defer cancel()
	verdict, err := w.watch(ctx)
	if err == errSlow {
		return fmt.Errorf("the deployment of %s is stuck: not completed after %s: %s\nit goes on; see `drydock events`, or take it back with `drydock rollback %s`", w.definition, duration(c.Duration("timeout")), orDash(w.shown), w.service)
	}
	if err != nil && c.Context.Err() != nil {
		return fmt.Errorf("interrupted: deployment %s of %s goes on; watch it with `drydock status %s`, take it back with `drydock rollback %s`", w.deployment, w.definition, w.service, w.service)
	}
	var gone *unreachableError
	if errors.As(err, &gone) {
		return fmt.Errorf("%w\ndeployment %s of %s is not lost: tasks and load balancers go on meanwhile, and the next daemon goes on with it: see `drydock status %s` then", err, w.deployment, w.definition, w.service)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.App.Writer, newScreen(c.App.Writer).paint(green, verdict))
	return err
}
