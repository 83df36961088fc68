// Requests at a steady rate, each timed from the moment it should have been sent: a server that stalls
// cannot hide the requests that waited meanwhile.
import { Agent, get } from 'node:http';

/** Milliseconds. */
export type Latency = { readonly p50: number; readonly p99: number; readonly max: number };

export async function latencyAt(url: string, perSecond: number, seconds: number): Promise<Latency> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const times: number[] = [];
  const pending: Promise<void>[] = [];
  const start = performance.now();
  const total = perSecond * seconds;
  for (let i = 0; i < total; i++) {
    const due = start + (i * 1000) / perSecond;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    pending.push(
      request(url, agent).then(() => {
        times.push(performance.now() - due);
      }),
    );
  }
  await Promise.all(pending);
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(share * times.length))]!;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function request(url: string, agent: Agent): Promise<void> {
  return new Promise((fulfil, reject) => {
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} answered ${response.statusCode}`));
      response.resume().on('end', fulfil).on('error', reject);
    }).on('error', reject);
  });
}
