// Adds files to a store without end and names each to its parent once it is saved, until it is killed.
import { newId } from '../lib/id.ts';
import { saveFile } from '../store/files.ts';
import { openStore } from '../store/store.ts';

const { database, blobs } = await openStore(process.argv[2]!);
while (true) {
  const id = newId('file-');
  const received = await blobs.receive(
    (async function* () {
      yield Buffer.from(id);
    })(),
  );
  const file = { id, created_at: 0, expires_at: null, filename: 'a', purpose: 'fine-tune' };
  await saveFile(database, blobs, file, received);
  process.send?.(id);
}
