/** Calls back once after `ms` unless cancelled; the returned function cancels. */
export type After = (ms: number, call: () => void) => () => void;

/** On the process's own timers; a pending call does not keep the process alive. */
export const afterOnTimers: After = (ms, call) => {
  const timer = setTimeout(call, ms);
  timer.unref();
  return () => clearTimeout(timer);
};
