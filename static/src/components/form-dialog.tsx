// A dialog with a form: its values are sent by the key Enter and by the button.

import { type ReactNode, useId } from 'react'
import { Button } from './button'
import { Dialog } from './dialog'
import { Fault } from './fault'

interface FormDialogProps {
  title: string
  /** The command, as the label of the button. */
  action: string
  busy: boolean
  /** Whether there is nothing to send. */
  disabled?: boolean
  wide?: boolean
  /** What is wrong, if no field has the fault. */
  fault: string | undefined
  onSubmit: () => void
  onClose: () => void
  children: ReactNode
}

/** A form above the page. */
export function FormDialog({
  title,
  action,
  busy,
  disabled,
  wide,
  fault,
  onSubmit,
  onClose,
  children,
}: FormDialogProps) {
  const id = useId()
  return (
    <Dialog
      open
      wide={wide}
      onClose={onClose}
      title={title}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form={id} busy={busy} disabled={disabled}>
            {action}
          </Button>
        </>
      }
    >
      <form
        id={id}
        noValidate
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault()
          if (!busy && !disabled) onSubmit()
        }}
        className="flex flex-col gap-4"
      >
        <Fault>{fault}</Fault>
        {children}
      </form>
    </Dialog>
  )
}

interface ShownOnceProps {
  title: string
  wide?: boolean
  onClose: () => void
  children: ReactNode
}

/** Shows what cannot be shown again: only its button closes the dialog. */
export function ShownOnceDialog({ title, wide, onClose, children }: ShownOnceProps) {
  return (
    <Dialog
      open
      kept
      wide={wide}
      onClose={onClose}
      title={title}
      footer={
        <Button kind="primary" onClick={onClose}>
          I have copied it
        </Button>
      }
    >
      {children}
    </Dialog>
  )
}
