"""Calls every operation that drydock has with inputs that fit their shapes and mean nothing.

usage: nonsense.py OPS SEED ROUNDS

The answer may be a success or a refusal, never a failure of the server's own (5xx) and never
a connection that breaks. Names and ARNs of what exists are mixed in, so that the calls reach
beyond the first look-up. One line of output for each answer that may not be.
"""
import random
import sys

import boto3
import botocore.config
import botocore.exceptions

ops, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dice = random.Random(seed)
config = botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1}, read_timeout=60)
clients, known, calls, wrong = {}, ["web", "shop", "small", "x", "*", "", "ä" * 300], 0, 0


def client(service):
    if service not in clients:
        clients[service] = boto3.client(service, config=config)
    return clients[service]


def collect(answer):
    """Keeps what looks like a name or an ARN."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            if isinstance(value, str) and key.lower().endswith(("arn", "id", "name")) and value not in known:
                known.append(value)
            collect(value)
    elif isinstance(answer, list):
        for value in answer:
            collect(value)


def text(shape):
    if shape.enum and dice.random() < 0.8:
        return dice.choice(shape.enum)
    if dice.random() < 0.7:
        return dice.choice(known)
    return dice.choice(["0", "-1", "80", "10.0.0.0/8", "{}", "[", "a:b", "arn:aws:ecs:::", "http://127.0.0.1:1/x", "\u0000", "y" * 5000])


def value(shape, depth=0):
    kind = shape.type_name
    if kind == "structure":
        return {
            name: value(member, depth + 1)
            for name, member in shape.members.items()
            if depth < 6 and (name in shape.required_members or dice.random() < (0.5 if depth == 0 else 0.3))
        }
    if kind == "list":
        return [value(shape.member, depth + 1) for _ in range(dice.choice([0, 1, 1, 2]))]
    if kind == "map":
        return {text(shape.key): value(shape.value, depth + 1) for _ in range(dice.choice([0, 1]))}
    if kind in ("integer", "long"):
        return dice.choice([-1, 0, 1, 2, 80, 2**31 - 1])
    if kind in ("float", "double"):
        return dice.choice([-1.5, 0.0, 1.0, 1e308])
    if kind == "boolean":
        return dice.random() < 0.5
    if kind == "timestamp":
        return dice.choice([0, 1700000000, 4102444800])
    if kind == "blob":
        return dice.choice([b"", b"x", bytes(range(256))])
    return text(shape)


def method(service, operation):
    for python, wire in client(service).meta.method_to_api_mapping.items():
        if wire == operation:
            return getattr(client(service), python)
    return None


todo = [line.split() for line in open(ops) if line.strip() and not line.startswith("#")]
for _ in range(rounds):
    dice.shuffle(todo)
    for service, operation in todo:
        call = method(service, operation)
        if call is None:
            continue  # this botocore doesn't know it yet
        shape = client(service).meta.service_model.operation_model(operation).input_shape
        given = value(shape) if shape is not None else {}
        calls += 1
        try:
            collect(call(**given))
        except botocore.exceptions.ClientError as e:
            status = e.response["ResponseMetadata"]["HTTPStatusCode"]
            if status < 500 or e.response["Error"]["Code"] == "ServiceUnavailable":
                continue
            wrong += 1
            print(f"{service} {operation}: {status} {e}\n\t{given}")
        except (botocore.exceptions.ParamValidationError, TypeError, ValueError, AttributeError, UnicodeError):
            continue  # it never left
        except botocore.exceptions.HTTPClientError as e:
            wrong += 1
            print(f"{service} {operation}: {e}\n\t{given}")
print(f"{calls} calls, {wrong} answered wrong")
sys.exit(wrong > 0)
