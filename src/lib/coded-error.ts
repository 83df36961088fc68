// The one error that tells a user what went wrong: a stable code, a sentence that says what to do,
// the field at fault, and the HTTP status that fits. Layers below the server throw it; the server
// maps it to the wire.
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: string | null;
  readonly param: string | null;
  readonly status: number;
  constructor(
    code: string | null,
    message: string,
    {
      status = 400,
      param = null,
      cause,
    }: { status?: number; param?: string | null; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.param = param;
    this.status = status;
  }
}
