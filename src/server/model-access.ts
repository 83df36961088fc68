// A fine-tuned model that a key with a project has made is there for the keys of that project, and for
// those that a checkpoint permission names. A key without a project uses every model.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Jobs } from '../jobs/jobs.ts';
import { modelsHiddenFrom } from '../store/checkpoint-permissions.ts';
import type { Query } from '../store/database.ts';

const asking = new AsyncLocalStorage<string | null>();

/** What is done here is done for a key of this project. */
export const inProject = <T>(project: string | null, work: () => T): T => asking.run(project, work);

/** The project of the key whose request is being answered. */
export const askingProject = (): string | null => asking.getStore() ?? null;

/** Models that the asking key may not use are not there for it. */
export function accessible(jobs: Jobs, query: Query): Jobs {
  const isHidden = async (id: string) => {
    const project = askingProject();
    return project !== null && (await modelsHiddenFrom(query, project, id)).length > 0;
  };
  return {
    ...jobs,
    create: (request) => jobs.create({ ...request, project: askingProject() }),
    resolve: async (name) => {
      const model = await jobs.resolve(name);
      return model === null || (await isHidden(model.id)) ? null : model;
    },
    model: async (id) => {
      const model = await jobs.model(id);
      return model === null || (await isHidden(model.target ?? model.id)) ? null : model;
    },
    models: async () => {
      const project = askingProject();
      const all = await jobs.models();
      if (project === null) return all;
      const hidden = new Set(await modelsHiddenFrom(query, project));
      return all.filter(({ id, target }) => !hidden.has(target ?? id));
    },
  };
}
