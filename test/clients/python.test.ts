// The Python package of the current API, from its first major version to the newest: a job from the file
// to a model that answers.
import { expect, onTestFinished, test } from 'vitest';
import { pythonWithOpenai } from './python.ts';
import { pairs, startTinyServer } from './tiny-server.ts';

const VERSIONS = ['1.109.1', '3.54.0'];
const pythons = await Promise.all(
  VERSIONS.map(async (version) => [version, await pythonWithOpenai(version)] as const),
);
const SCRIPT = `
import json, sys, time
from openai import OpenAI, NotFoundError, BadRequestError
client = OpenAI(max_retries=0)
with open(sys.argv[1], "rb") as rows:
    file = client.files.create(file=rows, purpose="fine-tune")
assert client.files.wait_for_processing(file.id).status == "processed"
wanted = {"training_file": file.id, "model": "gpt-4o-mini", "metadata": {"team": "toys"}}
method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1, "batch_size": 4}}}
job = client.fine_tuning.jobs.create(**wanted, method=method, suffix="py", seed=3)
second = client.fine_tuning.jobs.create(**wanted)
cancelled = client.fine_tuning.jobs.cancel(second.id)
while (done := client.fine_tuning.jobs.retrieve(job.id)).status not in ("succeeded", "failed"):
    time.sleep(0.1)
model = done.fine_tuned_model
paged = [event.id for event in client.fine_tuning.jobs.list_events(job.id, limit=4)]
whole = [event.id for event in client.fine_tuning.jobs.list_events(job.id, limit=100)]
checkpoint = client.fine_tuning.jobs.checkpoints.list(job.id).data[0]
short = {"model": model, "max_tokens": 4, "temperature": 0}
text = client.completions.create(prompt="Tim", **short).choices[0].text
stream = "".join(part.choices[0].text for part in client.completions.create(prompt="Tim", stream=True, **short))
messages = [{"role": "user", "content": "Hi"}]
chat = client.chat.completions.create(messages=messages, **short)
refused = []
for call in (
    lambda: client.models.retrieve("gone"),
    lambda: client.files.content("file-gone"),
    lambda: client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file="file-gone"),
):
    try: call()
    except (NotFoundError, BadRequestError) as error: refused.append([error.status_code, error.param])
print(json.dumps({
    "asked": job.model, "status": done.status, "error": done.error, "model": model, "seed": done.seed,
    "cancelled": cancelled.status, "paged": paged == whole and len(whole) > 4,
    "checkpoint": client.models.retrieve(checkpoint.fine_tuned_model_checkpoint).object,
    "result": client.files.content(done.result_files[0]).text.split(",")[0],
    "same": text == stream, "chat": chat.choices[0].message.role,
    "floats": len(client.embeddings.create(model=model, input=["a", "b"]).data),
    "listed": [one.id for one in client.fine_tuning.jobs.list(limit=1)] == [second.id, job.id],
    "models": model in [one.id for one in client.models.list()],
    "deleted": [client.models.delete(model).deleted, client.files.delete(file.id).deleted],
    "refused": refused,
}))
`;

for (const [version, python] of pythons)
  test.skipIf(!python)(
    `Python openai ${version}: a job and its model`,
    { timeout: 180_000 },
    async () => {
      const server = await startTinyServer();
      onTestFinished(() => server.close());
      const file = await server.write('rows.jsonl', pairs(12));
      const program = python!.run(['-c', SCRIPT, file], {
        env: { OPENAI_BASE_URL: server.base, OPENAI_API_KEY: 'sk-test' },
      });
      const { code, out, err } = await program.ended();
      expect(code, err).toBe(0);
      expect(JSON.parse(out)).toEqual({
        asked: 'gpt-4o-mini',
        status: 'succeeded',
        error: null,
        model: expect.stringMatching(/^ft:gpt-4o-mini:tunery:py:\w{8}$/),
        seed: 3,
        cancelled: 'cancelled',
        paged: true,
        checkpoint: 'model',
        result: 'step',
        same: true,
        chat: 'assistant',
        floats: 2,
        listed: true,
        models: true,
        deleted: [true, true],
        refused: [
          [404, 'model'],
          [404, 'id'],
          [400, 'training_file'],
        ],
      });
    },
  );
