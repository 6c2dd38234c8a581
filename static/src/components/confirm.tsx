// A question before a command that cannot be undone, or that concerns many jobs.

import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from 'react'
import { errorMessage } from '@/api/client'
import { useLazyPart } from '@/api/lazy-part'
import { useToast } from './toasts'

export interface Question {
  title: string
  /** The effect, in a sentence or two. */
  text: ReactNode
  /** The command, as the label of the button. */
  action: string
  danger?: boolean
  /** Label of the other button. Default: "Cancel"; a question about a cancellation needs another word. */
  keep?: string
  /** A text to enter: a line such as a reason, or JSON. */
  input?: { label: string; placeholder?: string; hint?: string; json?: true; value?: string }
  /** An option; called with its state when the answer is yes. */
  tick?: { label: string; onAnswer: (ticked: boolean) => void }
}

/** The entered text (empty without an input), or null for no. */
export type Answer = string | null

const ConfirmContext = createContext<(question: Question) => Promise<Answer>>(() => Promise.resolve(null))

/** Asks the user; resolves with the answer. */
export const useConfirm = () => useContext(ConfirmContext)

const getDialog = () => import('./question-dialog')

/** Holds the current question. */
export function Confirm({ children }: { children: ReactNode }) {
  const [question, setQuestion] = useState<Question | null>(null)
  const resolve = useRef<(answer: Answer) => void>(() => {})
  const toast = useToast()

  const ask = useCallback((next: Question) => {
    resolve.current(null)
    setQuestion(next)
    return new Promise<Answer>((settle) => {
      resolve.current = settle
    })
  }, [])
  const settle = (answer: Answer) => {
    resolve.current(answer)
    setQuestion(null)
  }
  const QuestionDialog = useLazyPart(getDialog, question !== null, (error) => {
    // A command that cannot be confirmed is not sent.
    settle(null)
    toast({ kind: 'failed', message: `${errorMessage(error)} Reload it.` })
  })

  return (
    <ConfirmContext value={ask}>
      {children}
      {QuestionDialog && <QuestionDialog question={question} onAnswer={settle} />}
    </ConfirmContext>
  )
}
