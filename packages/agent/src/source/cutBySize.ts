/** Runs of documents or keys of at most that many, and that many bytes; a larger one stands alone. */
export function* cutBySize(
  documents: readonly Buffer[],
  limit: number,
  most = Infinity,
): Generator<Buffer[]> {
  let run: Buffer[] = [];
  let bytes = 0;
  for (const document of documents) {
    const isFull = bytes + document.length > limit || run.length >= most;
    if (run.length > 0 && isFull) {
      yield run;
      run = [];
      bytes = 0;
    }
    run.push(document);
    bytes += document.length;
  }
  if (run.length > 0) yield run;
}

export function sizeOf(documents: readonly Buffer[]): number {
  return documents.reduce((sum, document) => sum + document.length, 0);
}
