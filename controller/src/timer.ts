/** Runs `callback` once after `delayMs`; returns its cancellation. */
export type SetTimer = (callback: () => void, delayMs: number) => () => void;

/** On the process's own timers; a pending call does not keep the process alive. */
export const processTimer: SetTimer = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
};
