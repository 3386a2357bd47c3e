"""The process that sends: an order on each line of stdin, how it went on each line of stdout. It ends with its stdin.

Each order has a thread. A thread that hangs is ended with this process, by whoever started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from typing import Any, TextIO

from pgcron_py.notify import ping, webhook
from pgcron_py.notify.errors import Secrecy, SendFailed
from pgcron_py.notify.message import Message

NICENESS = 5


def failure_of(order: dict[str, Any]) -> str | None:
    """Carries one order out; why that failed, without secrets; None: it did not.

    order: kind (notification, ping or check), key, url, secret, message.
    """
    secrecy = Secrecy(order["url"], order.get("secret"))
    try:
        _carry_out(order)
    except SendFailed as error:
        return secrecy.redact(str(error))
    except Exception as error:
        return secrecy.redact(f"{type(error).__name__}: {error}")
    return None


def _carry_out(order: dict[str, Any]) -> None:
    url: str = order["url"]
    if order["kind"] == "ping":
        ping.send(url, order["message"])
        return
    is_check = order["kind"] == "check"
    if url.startswith(webhook.PREFIX):
        if not is_check:
            webhook.send(url, order.get("secret"), Message.of(order["key"], order["message"]))
        return
    from pgcron_py.notify import services

    if is_check:
        services.service(url)
    else:
        services.send(url, Message.of(order["key"], order["message"]))


def main(orders: TextIO, answers: TextIO) -> None:
    one_at_a_time = threading.Lock()

    def carry_out(order: dict[str, Any]) -> None:
        answer = json.dumps({"key": order["key"], "error": failure_of(order)})
        with one_at_a_time:
            answers.write(answer + "\n")
            answers.flush()

    for line in orders:
        threading.Thread(target=carry_out, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    os.nice(NICENESS)
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        main(sys.stdin, sys.stdout)
    os._exit(0)  # without waiting for threads that hang
