// Server-Sent Events over fetch: as EventSource, but that it can say where it was (Last-Event-ID) when another stream is opened, and
// notices a connection on which nothing comes any more: the server sends at least a comment every 15 s.
const SILENT_MS = 40_000;

export function openStream(url, lastEventId = "") {
  const listeners = new Map();
  const abort = new AbortController();
  const stream = {
    lastEventId,
    onerror: () => {},
    addEventListener: (name, told) => listeners.set(name, [...(listeners.get(name) ?? []), told]),
    close: () => abort.abort(),
  };
  let timer = null;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort("silent"), SILENT_MS);
  };

  function take(text) {
    let name = "message";
    const data = [];
    for (const line of text.split("\n")) {
      const at = line.indexOf(":");
      const value = line.slice(at + (line[at + 1] === " " ? 2 : 1));
      if (line.startsWith("event:")) name = value;
      else if (line.startsWith("data:")) data.push(value);
      else if (line.startsWith("id:")) stream.lastEventId = value;
    }
    if (data.length) for (const told of listeners.get(name) ?? []) told({ data: data.join("\n") });
  }

  async function read() {
    heard();
    const headers = { Accept: "text/event-stream", ...(lastEventId && { "Last-Event-ID": lastEventId }) };
    const answer = await fetch(url, { headers, signal: abort.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("ended");
      heard();
      const pieces = (rest + value).split("\n\n");
      rest = pieces.pop();
      for (const piece of pieces) take(piece);
    }
  }

  read().catch(() => {
    clearTimeout(timer);
    if (!abort.signal.aborted || abort.signal.reason === "silent") stream.onerror();
  });
  return stream;
}
