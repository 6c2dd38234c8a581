// Dialogs on the browser's own <dialog>: it keeps the focus inside, closes on Escape and needs no inline style, which
// the content security policy would refuse.

import { clsx } from 'clsx'
import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef } from 'react'
import { IconButton } from './button'

interface DialogProps {
  open: boolean
  onClose: () => void
  title: string
  children: ReactNode
  /** Commands at the end. */
  footer?: ReactNode
  wide?: boolean
  /** Only its buttons close it: it shows what cannot be shown again. */
  kept?: boolean
}

/** The element with this attribute gets the focus when the dialog opens. Default: the first focusable element. */
export const FIRST = 'data-first'

/** A question or a form above the page. */
export function Dialog({ open, onClose, title, children, footer, wide, kept }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => {
    const dialog = element.current
    if (!dialog || dialog.open === open) return
    if (!open) return dialog.close()
    dialog.showModal()
    dialog.querySelector<HTMLElement>(`[${FIRST}]`)?.focus()
  }, [open])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside the dialog closes it; the key for that is Escape
    <dialog
      ref={element}
      aria-labelledby={titleId}
      onClose={onClose}
      onCancel={(event) => kept && event.preventDefault()}
      onClick={(event) => event.target === element.current && !kept && onClose()}
      className={clsx(
        'max-h-[calc(100dvh-2rem)] w-[calc(100vw-2rem)] rounded-xl border bg-raised text-ink shadow-pop backdrop:bg-[rgb(0_0_0/0.45)]',
        wide ? 'max-w-2xl' : 'max-w-md',
      )}
    >
      {open && (
        <div>
          <header className="flex items-center justify-between gap-2 py-3 pr-3 pl-5">
            <h2 id={titleId} className="min-w-0 break-words font-semibold text-lg">
              {title}
            </h2>
            {!kept && <IconButton icon={X} label="Close" onClick={onClose} />}
          </header>
          <div className="px-5 pb-5">{children}</div>
          {footer && <footer className="flex flex-wrap justify-end gap-2 border-t px-5 py-3">{footer}</footer>}
        </div>
      )}
    </dialog>
  )
}
