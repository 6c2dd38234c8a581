// Messages about the results of commands. They disappear after a while, failures later.

import { clsx } from 'clsx'
import { CircleAlert, CircleCheck, X } from 'lucide-react'
import { createContext, type ReactNode, useCallback, useContext, useState } from 'react'
import { IconButton } from './button'

export interface Toast {
  kind: 'done' | 'failed'
  message: string
}

const STAYS_MILLIS = { done: 5_000, failed: 12_000 }
const MOST = 4

const ToastContext = createContext<(toast: Toast) => void>(() => {})

/** Shows a message. */
export const useToast = () => useContext(ToastContext)

/** Keeps the messages and shows them above the page. */
export function Toasts({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<(Toast & { id: number })[]>([])
  const dismiss = useCallback((id: number) => setShown((all) => all.filter((toast) => toast.id !== id)), [])
  const show = useCallback(
    (toast: Toast) => {
      const id = performance.now() + Math.random()
      setShown((all) => [...all, { ...toast, id }].slice(-MOST))
      setTimeout(() => dismiss(id), STAYS_MILLIS[toast.kind])
    },
    [dismiss],
  )
  return (
    <ToastContext value={show}>
      {children}
      <div
        aria-live="polite"
        className="pointer-events-none fixed inset-x-4 bottom-4 z-50 flex flex-col items-end gap-2 sm:left-auto"
      >
        {shown.map((toast) => (
          <div
            key={toast.id}
            data-toast={toast.kind}
            className="pointer-events-auto flex w-full max-w-sm items-start gap-2.5 rounded-lg border bg-raised py-2 pr-1.5 pl-3 shadow-pop"
          >
            <Mark kind={toast.kind} />
            <p className="min-w-0 flex-1 break-words py-1.5 text-sm">{toast.message}</p>
            <IconButton icon={X} label="Dismiss" onClick={() => dismiss(toast.id)} />
          </div>
        ))}
      </div>
    </ToastContext>
  )
}

function Mark({ kind }: { kind: Toast['kind'] }) {
  const Icon = kind === 'done' ? CircleCheck : CircleAlert
  return <Icon size={16} aria-hidden className={clsx('mt-2 shrink-0', kind === 'done' ? 'text-good' : 'text-bad')} />
}
