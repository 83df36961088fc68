// All models by name: base models from the folders, fine-tuned ones from the database.
import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { resolve as absolute, basename, join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import { openJobsUsing } from '../store/jobs.ts';
import { deleteModel, getModel, listModels, type ModelRow } from '../store/models.ts';
import type { Store } from '../store/store.ts';
import type { Aliases } from './aliases.ts';
import { type BaseModel, type BaseModels, type Convert, writeOrigin } from './base-models.ts';
import type { Model, ResolvedModel } from './jobs.ts';

export type ModelRegistry = ReturnType<typeof modelRegistry>;

export function modelRegistry(
  store: Store,
  bases: BaseModels,
  aliases: Aliases,
  organization: string,
) {
  const { query } = store.database;
  const ofBase = ({ id, created_at }: BaseModel): Model => ({
    id,
    kind: 'base',
    created_at,
    owned_by: organization,
  });

  async function list(): Promise<Model[]> {
    const [base, tuned, other] = await Promise.all([
      bases.list(),
      listModels(query),
      aliases.list(),
    ]);
    const models = [...base.map(ofBase), ...tuned.map(ofRow)];
    const called = models.map((model) => {
      const names = other.filter(({ target }) => target === model.id).map(({ name }) => name);
      return names.length === 0 ? model : { ...model, aliases: names };
    });
    // The operator's own names are models of their own in the list; OpenAI's would crowd it.
    const own = other.filter((alias) => alias.own && !models.some(({ id }) => id === alias.name));
    const named = await Promise.all(own.map(({ name }) => get(name)));
    return [...called, ...named.filter((model) => model !== null)];
  }

  async function get(id: string): Promise<Model | null> {
    const model = await getNamed(id);
    if (model !== null) return model;
    const target = await aliases.target(id);
    const meant = target === null ? null : await getNamed(target);
    return meant && { ...meant, id, kind: 'alias', target: meant.id };
  }

  async function getNamed(id: string): Promise<Model | null> {
    const row = await getModel(query, id);
    if (row !== null) return ofRow(row);
    const base = await bases.find(id);
    return base === null ? null : ofBase(base);
  }

  async function resolve(name: string): Promise<ResolvedModel | null> {
    const model = await resolveNamed(name);
    if (model !== null) return model;
    const target = await aliases.target(name);
    return target === null ? null : await resolveNamed(target);
  }

  async function resolveNamed(name: string): Promise<ResolvedModel | null> {
    const { id, scale } = splitScale(name);
    const row = (await getModel(query, name)) ?? (await getModel(query, id));
    if (row !== null) {
      const base = await bases.gguf(row.base_file);
      if (base === null) throw baseMissing(row);
      const path = join(store.directory, row.gguf_adapter);
      return { id: row.id, base, baseId: row.base_model, adapter: { path, scale } };
    }
    const found = await bases.find(name); // a base model has no adapter that could be scaled
    const base = found === null ? null : await bases.gguf(found.file);
    return found === null || base === null
      ? null
      : { id: found.id, base, baseId: found.id, adapter: null };
  }

  async function remove(id: string): Promise<void> {
    const row = await getModel(query, id);
    const base = row === null ? await bases.find(id) : null;
    if (row === null && base === null) {
      if ((await get(id)) !== null) throw onlyAlias(id);
      throw modelNotFound(id);
    }
    const name = row?.id ?? base?.id ?? id;
    const users = await openJobsUsing(query, name);
    if (users.length > 0) {
      throw inUse('refusal.in_use_by_job', name, users);
    }
    if (base !== null) return await removeBase(base);
    await deleteModel(query, id);
    if (row !== null) await removeAdapter(row);
  }

  async function removeBase(base: BaseModel): Promise<void> {
    if (!base.own) {
      const message = say('refusal.not_deletable', { id: base.id, path: base.path });
      throw new CodedError('model_not_deletable', message, { status: 403, param: 'model' });
    }
    const tuned = (await listModels(query)).filter(({ base_file }) => base_file === base.file);
    if (tuned.length > 0) {
      throw inUse('refusal.in_use_by_models', base.id, tuned);
    }
    await bases.remove(base);
  }

  /** The last checkpoint and the final model may share one adapter. */
  async function removeAdapter(row: ModelRow): Promise<void> {
    const rest = await listModels(query);
    for (const key of ['adapter', 'gguf_adapter'] as const) {
      if (rest.some((other) => other[key] === row[key])) continue;
      await rm(join(store.directory, row[key]), { recursive: true, force: true });
    }
  }

  const importWith = (convert: Convert) => async (source: string, signal: AbortSignal) => {
    const from = absolute(source);
    const kind = await stat(from).catch(() => null);
    if (kind === null) {
      const message = say('refusal.no_source', { path: from });
      throw new CodedError('source_not_found', message, { param: 'source' });
    }
    const name = basename(from);
    const known = (await bases.list()).find(({ own, file }) => own && file === name);
    if (known !== undefined) {
      const message = say('refusal.model_exists', { id: known.id });
      throw new CodedError('model_exists', message, { param: 'source' });
    }
    await mkdir(bases.folder, { recursive: true });
    if (kind.isDirectory()) {
      const output = join(bases.folder, `${name}.gguf`);
      await writeOrigin(output, name, from);
      await convert(from, output, signal);
    } else {
      const partial = join(bases.folder, `${name}.partial`);
      await copyFile(from, partial);
      await rename(partial, join(bases.folder, name));
    }
    bases.refresh();
    const model = (await bases.list()).find(({ own, file }) => own && file === name);
    if (model !== undefined) return model.id;
    await rm(join(bases.folder, name), { force: true });
    const message = say('refusal.not_a_model', { path: from });
    throw new CodedError('not_a_model', message, { param: 'source' });
  };

  return { list, get, resolve, remove, importWith };
}

const ofRow = ({ id, step, created_at, owned_by }: ModelRow): Model => ({
  id,
  kind: step === null ? 'fine-tuned' : 'checkpoint',
  created_at,
  owned_by,
});

/** `ft:…@0.6`: the adapter at 0.6 of its strength. */
function splitScale(name: string): { id: string; scale: number } {
  const match = /^(ft:.+|[^:]+:ft-.+)@(\d+(?:\.\d+)?|\.\d+)$/.exec(name);
  return match === null ? { id: name, scale: 1 } : { id: match[1]!, scale: Number(match[2]) };
}

export const modelNotFound = (id: string) =>
  new CodedError('model_not_found', say('refusal.model_not_found', { id }), {
    status: 404,
    param: 'model',
  });

const baseMissing = ({ id, base_model, base_file }: ModelRow) =>
  new CodedError(
    'base_model_missing',
    say('refusal.base_missing', { model: base_model, file: base_file, id }),
    { param: 'model' },
  );

const onlyAlias = (id: string) =>
  new CodedError(
    'model_not_deletable',
    `'${id}' is another name of a model and has nothing to delete; names are in the file models.aliases.json.`,
    { status: 403, param: 'model' },
  );

const inUse = (
  how: 'refusal.in_use_by_job' | 'refusal.in_use_by_models',
  id: string,
  by: readonly { readonly id: string }[],
) => {
  const users = by.map((user) => user.id).join(', ');
  return new CodedError('model_in_use', say(how, { id, users }), { param: 'model' });
};
